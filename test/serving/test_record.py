# SPDX-License-Identifier: Apache-2.0
"""The node's record of its own timing."""

from __future__ import annotations

import json

import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.record import RECENT, NodeRecord, check_record_path, write_record


def test_jitter_is_the_distance_of_intervals_from_the_period():
    record = NodeRecord(0.02)
    for time in (1.000, 1.020, 1.045, 1.060):
        record.note_publish(time)
    assert record.jitter_ms()["max"] == pytest.approx(5.0)
    assert record.jitter_ms()["p50"] == pytest.approx(5.0)
    assert record.as_dict()["publish_intervals_ms"] == pytest.approx([20.0, 25.0, 15.0])


def test_recent_jitter_forgets_what_is_long_ago():
    record = NodeRecord(0.02)
    for time in (0.0, 0.5, *(0.52 + 0.02 * k for k in range(RECENT))):
        record.note_publish(time)
    assert record.jitter_ms()["max"] == pytest.approx(480.0)
    assert record.recent_jitter_ms()["max"] == pytest.approx(0.0, abs=1e-6)


def test_pause_is_no_jitter():
    record = NodeRecord(0.02)
    record.note_publish(1.0)
    record.note_pause()
    record.note_publish(9.0)
    record.note_publish(9.02)
    assert record.published == 3
    assert record.jitter_ms()["max"] == pytest.approx(0.0, abs=1e-6)


def test_record_is_written_whole(tmp_path):
    path = tmp_path / "new" / "record.json"
    record = NodeRecord(0.02)
    record.note_inference(0.05, {"encode": 3.0})
    record.note_stage("splice", 0.3)
    record.note_stage("splice", 0.4)
    write_record(path, record.as_dict())
    written = json.loads(path.read_text())
    assert written["stages_ms"] == {"encode": [3.0], "splice": [0.3, 0.4]}
    counts = dict(
        zip(written["histogram_bounds_ms"], written["histograms"]["splice"], strict=False)
    )
    assert counts[0.5] == 2 and sum(written["histograms"]["splice"]) == 2
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(QuantVLAError, match="record_path"):
        write_record(tmp_path / "file" / "record.json", {})


def test_that_place_is_found_when_the_node_is_configured(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(QuantVLAError, match=r"'record_path'.*file: Not a directory"):
        check_record_path(str(tmp_path / "file" / "record.json"))
    check_record_path("")
    check_record_path(str(tmp_path / "record.json"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
