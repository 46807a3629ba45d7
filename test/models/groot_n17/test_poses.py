# SPDX-License-Identifier: Apache-2.0
"""Checkpoints whose actions are poses in the frame of the tip, against numpy and scipy."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.groot_poses import (
    ARM,
    CAMERAS,
    ORIGIN,
    ROWS,
    change,
    checkpoint,
    imported,
    relative_range,
    robot_file,
    saved,
)
from support.imported_groot import tiny_sizes
from support.parity import golden
from support.six_axis import tip

from calib_tools.import_.command import ImportSettings, read_checkpoint, the_contract
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.observation import Observation

NAMES = {"rot6d": "eef_9d", "vector": "eef_6d"}
TWO = ARM[:2]
JOINTS = np.array([0.3, 0.4, -0.5, 0.2, 0.7, -0.3, 0.05])


def origin():
    found = np.eye(4)
    found[:3, :3] = Rotation.from_euler("xyz", ORIGIN["rpy"]).as_matrix()
    found[:3, 3] = ORIGIN["xyz"]
    return found


def transform(values):
    """[4, 4] of a pose in either format."""
    found = np.eye(4)
    found[:3, 3] = values[:3]
    if len(values) == 6:
        found[:3, :3] = Rotation.from_rotvec(values[3:]).as_matrix()
        return found
    first = values[3:6] / np.linalg.norm(values[3:6])
    second = values[6:] - first * (first @ values[6:])
    second /= np.linalg.norm(second)
    found[:3, :3] = [first, second, np.cross(first, second)]
    return found


def observation(joints):
    pictures = {name: np.full((48, 64, 3), 90, np.uint8) for name in CAMERAS}
    return Observation(pictures, np.asarray(joints, np.float32), "pick up the cube", 0.0)


def put_out(name, normalized, width):
    """Values [rows, width] of a relative group, cut to its range."""
    low, high = relative_range(name)
    return low + (np.clip(normalized[:, :width], -1, 1) + 1) / 2 * (high - low)


def policy_of(tmp_path, rotation):
    """A policy of the tip's pose and a gripper."""
    groups = [NAMES[rotation], "gripper_position"]
    path = checkpoint(tmp_path / "raw", groups, groups)
    made = imported(path, robot_file(tmp_path, rotation, ["tip", "gripper"], ["tip", "gripper"]))
    return load_policy(saved(tmp_path / "float", made), "reference")


@pytest.mark.parametrize(("rotation", "width"), [("rot6d", 9), ("vector", 6)])
def test_a_pose_is_composed_with_the_observed_one(tmp_path, rotation, width):
    policy, seen = policy_of(tmp_path, rotation), observation(JOINTS)
    name, here = NAMES[rotation], tip(JOINTS[:6], origin())
    state = policy.inputs(seen)["state"][0, : width + 1].numpy() * 2.0
    np.testing.assert_allclose(transform(state[:width]), here, atol=1e-5)
    assert state[width] == pytest.approx(0.05, abs=1e-6)
    normalized = np.random.default_rng(0).uniform(-1.2, 1.2, (ROWS, 12))
    chunk = policy.processing.actions(normalized.astype(np.float32), seen)
    for row, values in zip(chunk, put_out(name, normalized, width), strict=True):
        there = here @ transform(values)
        np.testing.assert_allclose(tip(row[:6], origin()), there, atol=1e-5)
    gripper = 0.04 * (1 + np.clip(normalized[:, width], -1, 1))
    np.testing.assert_allclose(chunk[:, 6], gripper, atol=1e-6)


def test_a_chunk_is_told_in_the_frame_of_the_tip_as_it_is_now(tmp_path):
    """So does a new chunk continue one that began elsewhere."""
    policy = policy_of(tmp_path, "vector")
    rows = JOINTS + np.array([[0.01] * 6 + [0.0], [0.02] * 6 + [0.0]])
    told = policy.processing.normalized(rows, observation(JOINTS))
    here = np.linalg.inv(tip(JOINTS[:6], origin()))
    low, high = relative_range("eef_6d")
    for place, row in enumerate(rows):
        values = low[place] + (told[place, :6] + 1) / 2 * (high[place] - low[place])
        expected = here @ tip(row[:6], origin())
        clipped = np.clip(transform_values(expected), low[place], high[place])
        np.testing.assert_allclose(values, clipped, atol=1e-6)


def transform_values(pose):
    return np.append(pose[:3, 3], Rotation.from_matrix(pose[:3, :3]).as_rotvec())


def droid(tmp_path, **changes):
    """A checkpoint that tells the same motion by the pose and by the joints."""
    actions = ["eef_9d", "gripper_position", "joint_position"]
    path = checkpoint(tmp_path / "raw", actions[::-1], actions)
    words = {"state": [*TWO, "gripper", "tip"], "action": ["tip", "gripper", *TWO]} | changes
    return path, robot_file(tmp_path, "rot6d", words["state"], words["action"], TWO)


def test_joints_that_are_told_beside_the_pose_are_what_is_used(tmp_path):
    path, robot = droid(tmp_path)
    known, sizes = golden("groot_raw"), tmp_path / "sizes.json"
    sizes.write_text(json.dumps(tiny_sizes(known)))
    settings = ImportSettings(str(robot), tokenizer=known.tokenizer, sizes=sizes)
    manifest = read_checkpoint(path, settings).manifest
    action = manifest.interface.action
    assert action.names == ["gripper", *TWO]
    assert [group.kind for group in action.groups] == ["joint_position", "joint_delta"]
    lines = the_contract(manifest).action
    assert [line.name for line in lines][8:] == ["tip rot6d 6", "gripper", *TWO]
    assert lines[0].counted == "pose in the frame of the tip, not used: its joints are"
    assert lines[-1].counted == "relative to the state"
    policy = load_policy(saved(tmp_path / "float", imported(path, robot)), "reference")
    seen = observation([0.3, 0.4, 0.05])
    normalized = np.random.default_rng(0).uniform(-1, 1, (ROWS, 12))
    chunk = policy.processing.actions(normalized.astype(np.float32), seen)
    joints = np.array([0.3, 0.4]) + put_out("joint_position", normalized[:, 10:], 2)
    np.testing.assert_allclose(chunk[:, 1:], joints, atol=1e-6)
    np.testing.assert_allclose(chunk[:, 0], 0.04 * (1 + normalized[:, 9]), atol=1e-6)
    told = policy.processing.normalized(chunk, seen)
    np.testing.assert_allclose(told[:, 9:], normalized[:, 9:], atol=1e-4)
    low, high = relative_range("eef_9d")
    pose = transform((low + (told[:, :9] + 1) / 2 * (high - low))[0])
    here = tip([0.3, 0.4], origin())
    np.testing.assert_allclose(here @ pose, tip(chunk[0, 1:], origin()), atol=1e-2)


@pytest.mark.parametrize(
    ("way", "changes", "said"),
    [
        ({"format": "DEFAULT"}, {}, r"'eef_9d' of type EEF, whose 9 values are told as 'DEFAULT'"),
        ({"state_key": "base"}, {}, r"from state group 'base', and its state has no such group"),
        ({"type": "NON_EEF"}, {}, r"by adding, and robot 'six' lists 'tip' as one of them"),
        ({}, {"state": ["gripper", *TWO, "tip"]}, r"'joint_0' is counted from state 0, and.*'gri"),
    ],
)
def test_what_is_composed_otherwise_is_refused(tmp_path, way, changes, said):
    path, robot = droid(tmp_path, **changes)

    def other(content):
        modality = content["processor_kwargs"]["modality_configs"]["new_embodiment"]
        modality["action"]["action_configs"][0].update(way)

    change(path / "processor_config.json", other)
    with pytest.raises(CheckpointError, match=said):
        imported(path, robot)


def test_robot_yaml_says_where_the_pose_is_and_how_it_is_told(tmp_path):
    path, robot = droid(tmp_path)
    change(robot, lambda content: content.update(state=[*TWO, "gripper"]))
    with pytest.raises(CheckpointError, match=r"12 values of state, and robot 'six' has 3"):
        imported(path, robot)
    groups = ["eef_6d", "gripper_position"]
    six = checkpoint(tmp_path / "six", groups, groups)
    joints = [*ARM, "gripper"]
    with pytest.raises(CheckpointError, match=r"pose of the tip from value 0 on.*write 'tip' in"):
        imported(six, robot_file(tmp_path, "vector", joints, joints))
    posed = ["tip", "gripper"]
    with pytest.raises(CheckpointError, match=r"rotations as vector, and robot 'six' as euler; w"):
        imported(six, robot_file(tmp_path, "euler", posed, posed))


def test_poses_of_two_tips_are_refused(tmp_path):
    path = checkpoint(tmp_path / "raw", ["eef_6d"], ["eef_6d", "gripper_position"])

    def twice(content):
        action = content["processor_kwargs"]["modality_configs"]["new_embodiment"]["action"]
        action["modality_keys"] = ["eef_6d", "eef_6d"]
        action["action_configs"][1] = action["action_configs"][0]

    change(path / "processor_config.json", twice)
    robot = robot_file(tmp_path, "vector", ["tip"], ["tip"])
    with pytest.raises(CheckpointError, match=r"poses of 2 tips among eef_6d, eef_6d, and one tip"):
        imported(path, robot)


def test_values_scaled_by_mean_and_deviation_are_refused(tmp_path):
    path, robot = droid(tmp_path)

    def scaled(content):
        modality = content["processor_kwargs"]["modality_configs"]["new_embodiment"]
        modality["state"]["mean_std_embedding_keys"] = ["joint_position"]

    change(path / "processor_config.json", scaled)
    with pytest.raises(CheckpointError, match=r"scales state group 'joint_position' by mean and"):
        imported(path, robot)


def test_lerobots_own_layout_says_the_same(tmp_path):
    path = shutil.copytree(golden("groot_relative").path, tmp_path / "lerobot")

    def posed(content):
        ways = content["steps"][0]["config"]["modality_config"]["action"]["action_configs"]
        ways[0].update(type="EEF", format="xyz+rotvec")

    change(path / "policy_postprocessor.json", posed)
    robot = robot_file(tmp_path, "vector", ["tip", "gripper"], ["tip", "gripper"])
    change(robot, lambda content: content.update(cameras={"front": "/front", "wrist": "/wrist"}))
    action = imported(path, robot).manifest.interface.action
    assert action.names == [*ARM, "gripper"] and action.follows
    assert action.pose.frame == "tip" and action.pose.rotation == "vector"
