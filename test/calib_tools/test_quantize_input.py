# SPDX-License-Identifier: Apache-2.0
"""A buffer of another robot, and the words about the time left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_policy import observations, tiny_manifest

from calib_tools.quantize import TimeLeft, check_robot
from quantvla_ros.errors import CalibrationBufferError

BUFFER = Path("buffer")


def test_the_policys_own_robot_is_accepted():
    check_robot(tiny_manifest(), observations(8), BUFFER)


def other_camera(sample):
    return {"images": {"front": sample.images["front"], "gripper": sample.images["wrist"]}}


def other_size(sample):
    return {"images": {k: np.zeros((16, 16, 3), np.uint8) for k in sample.images}}


def degrees(sample):
    return {"joints": np.degrees(sample.joints).astype(np.float32)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_camera, "camera 'wrist' is missing"),
        (other_size, r"camera 'front' gave uint8 \(16, 16, 3\)"),
        (degrees, r"joint '(shoulder|elbow|finger)' lies \d\d standard deviations"),
    ],
)
def test_another_robot_is_named(change, words):
    samples = [dataclasses.replace(s, **change(s)) for s in observations(8)]
    with pytest.raises(CalibrationBufferError, match=words) as error:
        check_robot(tiny_manifest(), samples, BUFFER)
    assert "'buffer' is not of this policy's robot" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_time_left_follows_the_pace_since_the_start():
    left = TimeLeft()
    assert left.after(0.2, 100.0) == ""  # resumed: what was done before has no pace
    assert left.after(0.4, 110.0) == ", 30 s left"
    assert left.after(0.45, 225.0) == ", 5 min left"
    assert left.after(1.0, 300.0) == ""
