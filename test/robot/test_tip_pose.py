# SPDX-License-Identifier: Apache-2.0
"""Policies that observe and command where the tip is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.example_bundle import example_interface
from support.planar_arm import ARM_JOINTS, posed_spaces, tip_at

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.observation import state_vector
from quantvla_ros.robot.rotations import WIDTHS
from quantvla_ros.robot.tip_pose import TIP

HOME = np.array([0.3, 0.4, -0.2])


def interface(rotation="vector"):
    state, action = posed_spaces(rotation)
    return replace(example_interface(None), state=state, action=action, dt=0.1)


@pytest.mark.parametrize("rotation", WIDTHS)
def test_the_state_tells_the_tip_and_not_the_joints(rotation):
    known = interface(rotation)
    joints = np.append(HOME, 0.02).astype(np.float32)
    told = state_vector(known, joints)
    width = 3 + WIDTHS[rotation]
    assert known.state.size == len(told) == width + 1
    np.testing.assert_allclose(told[:3], tip_at(HOME)[:3], atol=1e-6)
    assert told[-1] == pytest.approx(0.02) and known.state.places == [None, None, None, width]


@pytest.mark.parametrize("rotation", WIDTHS)
def test_poses_become_the_joints_that_bring_the_tip_there(rotation):
    known = interface(rotation)
    joints = np.append(HOME, 0.02)
    way = HOME + np.linspace(0.02, 0.3, 8)[:, None] * [1.0, -0.5, 0.7]
    values = np.concatenate([known.action.pose.values(way), np.full((8, 1), 0.03)], axis=1)
    chunk = known.chunk(values, joints)
    np.testing.assert_allclose(chunk, np.append(way, np.full((8, 1), 0.03), axis=1), atol=1e-4)
    np.testing.assert_allclose(known.values(chunk, joints), values, atol=1e-5)
    several = known.chunk(np.stack([[values, values]] * 2), np.stack([joints, joints]))
    np.testing.assert_allclose(several, np.broadcast_to(chunk, (2, 2, *chunk.shape)), atol=1e-9)
    assert np.flatnonzero(known.action.values_of_type("gripper")).tolist() == [len(values[0]) - 1]
    assert known.action.names == [*ARM_JOINTS, "finger"]


def test_a_pose_far_from_the_tip_is_counted_in_another_frame():
    known = interface()
    pose = known.action.pose.values(HOME)
    away = np.append(pose + np.eye(6)[0] * 0.5, 0.0)[None]
    with pytest.raises(QuantVLAError, match=r"0.50 m and 0.0 rad from link 'tip'.*another f"):
        known.chunk(away, np.append(HOME, 0.0))
    turned = np.append(pose + np.eye(6)[5] * 2.0, 0.0)[None]
    with pytest.raises(QuantVLAError, match=r"0.00 m and 2.0 rad"):
        known.chunk(turned, np.append(HOME, 0.0))


def test_what_a_pose_needs_is_checked():
    state, action = posed_spaces("vector")
    with pytest.raises(ValueError, match="actions of kind ee_pose are a1, a2, a3, and the joints"):
        replace(action, pose=None)
    with pytest.raises(ValueError, match="kinematics needs joint 'a1', which is no state"):
        replace(state, entries=state.entries[1:])
    with pytest.raises(ValueError, match=r"state.told has 'elbow', which is neither a joint"):
        replace(state, told=(TIP, "elbow"))
    with pytest.raises(ValueError, match=r"state.pose is counted in the frame of the tip"):
        replace(state, pose=replace(state.pose, frame="tip"))
    with pytest.raises(ValueError, match=r"action.told lists finger, and the network puts out f"):
        replace(action, told=("finger",))
    with pytest.raises(ValueError, match=r"poses need joint 'a1', which is no state"):
        blind = replace(state, entries=state.entries[3:], told=(), pose=None)
        replace(interface(), state=blind)
    with pytest.raises(ValueError, match=r"action.width is 3, below its 7 values"):
        replace(action, width=3)
