# SPDX-License-Identifier: Apache-2.0
"""Rotations in every form, and joints that follow poses of the tip."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.inverse_kinematics import follow
from quantvla_ros.robot.kinematics import link_frames
from quantvla_ros.robot.rotations import WIDTHS, from_matrix, rotation_vector, to_matrix

AXES = [(0, 0, 1), (0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, 1), (0, -1, 0), (0, 0, -1)]
LENGTHS = [0.333, 0.0, 0.316, 0.0, 0.384, 0.0, -0.107]
NO_TURN = (0.0, 0.0, 0.0)
MOVING = [
    KinematicJoint(f"j{i}", "revolute", (0.0, 0.0, z), NO_TURN, axis)
    for i, (axis, z) in enumerate(zip(AXES, LENGTHS, strict=True))
]
HAND = KinematicJoint(None, "fixed", (0.088, 0.0, -0.1), (0.0, 0.0, -0.785), (1, 0, 0))
ARM = Kinematics("base", "tip", (*MOVING, HAND))
HOME = np.array([0.1, -0.7, 0.1, -2.2, 0.0, 1.6, 0.7])


def pose(joints):
    return link_frames(ARM, np.asarray(joints))[2]


@pytest.mark.parametrize("kind", WIDTHS)
def test_a_rotation_comes_back_near_to_where_it_was(kind):
    rng = np.random.default_rng(0)
    for vector in [*rng.normal(0, 2, (40, 3)), np.zeros(3), np.array([np.pi, 0, 0])]:
        matrix = to_matrix("vector", vector)
        first = from_matrix(kind, matrix, np.zeros(WIDTHS[kind]))
        np.testing.assert_allclose(to_matrix(kind, first), matrix, atol=1e-7)
        np.testing.assert_allclose(from_matrix(kind, matrix, first), first, atol=1e-6)


def test_a_gripper_that_points_down_does_not_jump_between_plus_and_minus_pi():
    """Half a turn about x has two vectors; training saw one of them."""
    for tilt in (-0.01, 0.01):
        matrix = to_matrix("euler", np.array([np.pi + tilt, 0.0, 0.3]))
        for near in (np.array([3.1, 0.0, 0.0]), np.array([-3.1, 0.0, 0.0])):
            assert np.sign(from_matrix("vector", matrix, near)[0]) == np.sign(near[0])
            assert np.sign(from_matrix("euler", matrix, near)[0]) == np.sign(near[0])


def test_joints_follow_a_path_of_the_tip():
    way = HOME + 0.4 * np.sin(np.linspace(0, 3, 30))[:, None] * np.arange(1, 8) / 7
    poses = [pose(joints) for joints in way]
    found = follow(ARM, HOME, poses)
    for joints, (xyz, rotation) in zip(found, poses, strict=True):
        at, turned = pose(joints)
        np.testing.assert_allclose(at, xyz, atol=1e-6)
        assert np.abs(rotation_vector(rotation @ turned.T)).max() < 1e-6
    assert np.abs(np.diff(found, axis=0)).max() < 0.15, "the elbow does not flip"


def test_a_pose_out_of_reach_is_approached_and_no_more():
    xyz, rotation = pose(HOME)
    far = [(xyz + np.array([0.02 * k, 0.0, 0.0]), rotation) for k in range(60)]
    found = follow(ARM, HOME, far)
    assert np.isfinite(found).all() and np.abs(np.diff(found, axis=0)).max() < 2.1
    reached = np.array([pose(joints)[0] for joints in found])
    assert reached[:, 0].max() < 1.1 and reached[20, 0] > xyz[0] + 0.1
