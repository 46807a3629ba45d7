# SPDX-License-Identifier: Apache-2.0
"""The processes of the timing studies: two real cameras over DDS, and the empty loop."""

from __future__ import annotations

import json

import pytest

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
