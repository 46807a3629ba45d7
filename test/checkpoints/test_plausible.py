# SPDX-License-Identifier: Apache-2.0
"""Positions that robot.yaml takes for motions are refused by the mean of the training data."""

from __future__ import annotations

import pytest
from support.spaces import ARM, FAST_ARM, action_space, twist
from support.untrained import save_untrained

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.checkpoints.plausible import refuse_positions
from quantvla_ros.errors import CheckpointError

JOINTS = ("shoulder", "elbow")
STATE = ((ARM, "rad", JOINTS),)
POSE = [0.45, 0.0, 0.3, 3.1, 0.0, 0.0]


def manifest(path, action, mean):
    return load_manifest(save_untrained(path, STATE, action, mean, [0.3] * len(mean)))


def test_poses_are_no_steps_of_the_tip(tmp_path):
    steps = action_space(*twist("m", "rad"))
    with pytest.raises(CheckpointError, match=r"'linear_x' has a mean of 4.5 m/s.*commands poses"):
        refuse_positions(manifest(tmp_path / "poses", steps, POSE))
    refuse_positions(manifest(tmp_path / "steps", steps, [0.01, 0, 0, 0.05, 0, 0]))


def test_joint_positions_are_no_velocities(tmp_path):
    fast = action_space((FAST_ARM, "rad/s", JOINTS))
    with pytest.raises(CheckpointError, match=r"'elbow' has a mean of 2.2 rad/s.*take 'velocity'"):
        refuse_positions(manifest(tmp_path / "positions", fast, [0.0, -2.2]))
    refuse_positions(manifest(tmp_path / "velocities", fast, [0.05, -0.1]))
    plain = action_space((ARM, "rad", JOINTS))
    refuse_positions(manifest(tmp_path / "plain", plain, [0.0, -2.2]))
