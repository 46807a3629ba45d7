# SPDX-License-Identifier: Apache-2.0
"""Two real cameras over DDS, read as the policy node reads them."""

from __future__ import annotations

from studies.timing.camera_stream import CAMERAS
from studies.timing.cameras import study_cameras


def test_every_frame_that_arrives_is_counted_once(tmp_path):
    rows = study_cameras(2.0, tmp_path, lambda text: None)
    assert [row["camera"] for row in rows] == [*CAMERAS, *CAMERAS]
    for row in rows:
        assert row["published"] > 2  # 60 on an idle machine
        assert 0 <= row["lost"] < row["published"]
        assert 0 < row["age_ms"]["p50"] <= row["age_ms"]["max"]
