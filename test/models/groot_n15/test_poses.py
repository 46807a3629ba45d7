# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in NVIDIA's layout that observe and command where the tip is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.groot_poses import ARM, change, robot_file
from support.imported_groot_n15 import made, nvidia_checkpoint, options

from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.robot_file import read_robot

PARTS = {"eef_position": slice(0, 3), "eef_rotation": slice(3, 6)}


@pytest.fixture
def checkpoint(tmp_path):
    """Its single_arm of six values is a place and a rotation vector here."""
    path = nvidia_checkpoint(tmp_path / "nvidia")

    def posed(content):
        for kind in ("state", "action"):
            groups, values = (
                content["new_embodiment"][part][kind] for part in ("modalities", "statistics")
            )
            about, arm = groups.pop("single_arm"), values.pop("single_arm")
            rest, others = dict(groups), dict(values)
            groups.clear(), values.clear()
            for name, place in PARTS.items():
                turns = "axis_angle" if name == "eef_rotation" else None
                groups[name] = about | {"rotation_type": turns}
                values[name] = {key: those[place] for key, those in arm.items()}
            groups.update(rest), values.update(others)

    change(path / "experiment_cfg/metadata.json", posed)
    return path


def run(checkpoint, tmp_path, rotation, state, action, **sizes):
    file = robot_file(tmp_path, rotation, state, action)
    robot = read_robot(str(file), tmp_path)
    video = json.loads((checkpoint / "experiment_cfg/metadata.json").read_text())
    cameras = list(video["new_embodiment"]["modalities"]["video"])
    robot = robot.model_copy(update={"cameras": {c: f"/{c}" for c in cameras}})
    return made(checkpoint, robot=robot, sizes={**options().sizes, **sizes})


def test_a_place_and_a_rotation_are_the_tips_pose(checkpoint, tmp_path):
    posed = ["tip", "gripper"]
    manifest = run(checkpoint, tmp_path, "vector", posed, posed, target_rotations={}).manifest
    action, state = manifest.interface.action, manifest.interface.state
    assert action.names == state.names == [*ARM, "gripper"]
    assert [group.kind for group in action.groups] == ["ee_pose", "joint_position"]
    assert action.pose.frame == "base" and state.parts == posed
    here = np.array([0.3, 0.4, -0.5, 0.2, 0.7, -0.3, 0.05])
    there = here + np.array([0.02] * 6 + [0.0])
    values = manifest.interface.values(there[None], here)
    np.testing.assert_allclose(manifest.interface.chunk(values, here), there[None], atol=1e-4)


def test_a_state_that_was_told_as_a_matrix_has_its_range(checkpoint, tmp_path):
    target = {"state.eef_rotation": "rotation_6d"}
    joints, posed = [*ARM, "gripper"], ["tip", "gripper"]
    made_of = run(checkpoint, tmp_path, "rot6d", posed, joints, target_rotations=target)
    rule = made_of.manifest.normalization.state
    assert rule.low[3:9] == [-1.0] * 6 and rule.high[3:9] == [1.0] * 6


def test_how_a_policy_was_told_rotations_is_asked_for(checkpoint, tmp_path):
    posed = ["tip", "gripper"]
    with pytest.raises(CheckpointError, match=r"'eef_rotation', a rotation told as axis_angle, a"):
        run(checkpoint, tmp_path, "vector", posed, posed)
    other = {"action.eef_rotation": "rotation_6d"}
    with pytest.raises(CheckpointError, match=r"told as rotation_6d and the data as axis_angle; o"):
        run(checkpoint, tmp_path, "vector", posed, posed, target_rotations=other)
