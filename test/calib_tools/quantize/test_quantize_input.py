# SPDX-License-Identifier: Apache-2.0
"""A buffer of another robot, and the words about the time left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support.tiny_policy import observations, save_tiny_bundle, tiny_manifest

from calib_tools.buffer.instructions import check_instructions, refusal_for
from calib_tools.quantize.command import TimeLeft, check_robot
from quantvla_ros.errors import CalibrationBufferError

BUFFER = Path("buffer")
REST = [0.5, -1.2, 0.4]


def test_the_policys_own_robot_is_accepted():
    check_robot(tiny_manifest(), observations(8), BUFFER)


def test_its_cameras_may_give_any_size():
    other = {k: np.zeros((16, 24, 3), np.uint8) for k in observations(1)[0].images}
    check_robot(
        tiny_manifest(), [dataclasses.replace(s, images=other) for s in observations(8)], BUFFER
    )


def other_camera(sample):
    return {"images": {"front": sample.images["front"], "gripper": sample.images["wrist"]}}


def no_picture(sample):
    return {"images": {k: np.zeros((16, 16), np.uint8) for k in sample.images}}


def degrees(sample):
    return {"joints": np.degrees(sample.joints).astype(np.float32)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_camera, "camera 'wrist' is missing"),
        (no_picture, r"camera 'front' gave uint8 \(16, 16\)"),
        (degrees, r"joint '(shoulder|elbow|finger)' lies \d\d standard deviations"),
    ],
)
def test_another_robot_is_named(change, words):
    samples = [dataclasses.replace(s, **change(s)) for s in observations(8)]
    with pytest.raises(CalibrationBufferError, match=words) as error:
        check_robot(tiny_manifest(), samples, BUFFER)
    assert "'buffer' is not of this policy's robot" in str(error.value)
    assert "\n" not in str(error.value)


def test_instructions_that_the_policy_cannot_know_are_counted_and_named(tmp_path):
    refusal = refusal_for(save_tiny_bundle(tmp_path / "float"))
    samples = observations(8)
    check_instructions(refusal, samples, BUFFER)
    for i, text in ((1, "nimm bitte Käse"), (2, "milk " * 9), (5, "nimm bitte Käse")):
        samples[i] = dataclasses.replace(samples[i], instruction=text)
    with pytest.raises(CalibrationBufferError) as error:
        check_instructions(refusal, samples, BUFFER)
    assert "3 of 8 samples of the buffer 'buffer' have instructions" in str(error.value)
    assert "knows 0 of 3 words of the instruction 'nimm bitte Käse'" in str(error.value)
    assert "(and 1 other instruction)" in str(error.value)
    assert "\n" not in str(error.value)


def in_degrees(mean=0.1):
    """The tiny policy, trained in degrees and with its finger in mm."""
    norm = tiny_manifest().normalization.model_copy(
        update={
            "state_mean": [np.degrees(mean), np.degrees(mean), 100.0],
            "state_std": [np.degrees(0.5), np.degrees(0.5), 500.0],
        }
    )
    return tiny_manifest().model_copy(update={"normalization": norm})


@pytest.mark.parametrize("mean", [0.0, 0.1, 1.5])
@pytest.mark.parametrize("reach", [1.0, 2.0, 0.01])
def test_a_unit_larger_than_the_policys_is_refused(mean, reach):
    """Wherever the policy's mean is, and for more and for less motion than in its data."""
    joints = [mean + reach * (s.joints - mean) for s in observations(64)]
    samples = [
        dataclasses.replace(s, joints=j.astype(np.float32))
        for s, j in zip(observations(64), joints, strict=True)
    ]
    with pytest.raises(CalibrationBufferError, match="most joints stay near zero") as error:
        check_robot(in_degrees(mean), samples, BUFFER)
    assert "'buffer' is not of this policy's robot" in str(error.value)
    assert "check the joints' unit" in str(error.value) and "\n" not in str(error.value)


def standing(still):
    """A robot at one place, with the noise of its encoders."""
    return [
        dataclasses.replace(s, joints=(still + 1e-4 * s.joints).astype(np.float32))
        for s in observations(64)
    ]


def test_a_robot_that_hardly_moves_is_accepted():
    check_robot(tiny_manifest(), standing(np.array(REST)), BUFFER)


def test_one_quiet_joint_at_zero_is_accepted():
    check_robot(tiny_manifest(), standing(np.array(REST) * [1, 0, 1]), BUFFER)


def test_a_robot_that_leaves_zero_a_single_time_is_accepted():
    samples = standing(np.zeros(3))
    samples[7] = dataclasses.replace(samples[7], joints=np.array(REST, np.float32))
    check_robot(tiny_manifest(), samples, BUFFER)


def test_a_driver_that_gives_zeros_is_refused():
    zeros = [dataclasses.replace(s, joints=np.zeros(3, np.float32)) for s in observations(8)]
    with pytest.raises(CalibrationBufferError, match="most joints stay near zero"):
        check_robot(tiny_manifest(), zeros, BUFFER)


def test_the_time_left_follows_the_pace_since_the_start():
    left = TimeLeft()
    assert left.after(0.2, 100.0) == ""  # resumed: what was done before has no pace
    assert left.after(0.4, 110.0) == ", 30 s left"
    assert left.after(0.45, 225.0) == ", 5 min left"
    assert left.after(1.0, 300.0) == ""
