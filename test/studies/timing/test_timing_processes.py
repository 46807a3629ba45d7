# SPDX-License-Identifier: Apache-2.0
"""The processes of the timing studies: two cameras over DDS, the empty loop, the inference."""

from __future__ import annotations

import json

import pytest
from support.tiny_policy import save_tiny_bundle

from studies.timing import start_up
from studies.timing.cameras import CAMERAS, study_cameras
from studies.timing.empty_loop import main


def test_every_frame_that_arrives_is_counted_once(tmp_path):
    rows = study_cameras(2.0, tmp_path, lambda text: None)
    assert [row["camera"] for row in rows] == [*CAMERAS, *CAMERAS]
    for row in rows:
        assert row["published"] > 2  # 60 on an idle machine
        assert 0 <= row["lost"] < row["published"]
        assert 0 < row["age_ms"]["p50"] <= row["age_ms"]["max"]


def test_every_wake_up_is_counted(tmp_path):
    out = tmp_path / "empty.json"
    assert main(["--rate", "100", "--seconds", "0.5", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["published"] > 2  # 50 on an idle machine
    assert found["control_rate_hz"] == pytest.approx(100.0)
    assert 0.0 <= found["jitter_ms"]["p50"] <= found["jitter_ms"]["max"]
    assert isinstance(found["realtime"], bool)


def test_a_start_from_a_filled_cache_takes_less_of_the_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(start_up, "ROUNDS", 1)
    bundle = save_tiny_bundle(tmp_path / "bundle")
    empty, filled = start_up.study_start_up(bundle, "cpu", lambda text: None)
    assert (empty["cache"], filled["cache"]) == ("empty", "filled")
    # A third of it on an idle machine; clock times say how busy the machine is.
    assert 0 < filled["cpu_s"]["least"] < 0.75 * empty["cpu_s"]["least"]
    assert filled["cpu_s"]["median"] <= filled["wall_s"]["median"] + 0.1
