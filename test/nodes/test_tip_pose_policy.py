# SPDX-License-Identifier: Apache-2.0
"""A policy that commands poses of the tip through the real node to a trajectory controller."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_robot import JOINTS
from support.planar_arm import POSED, pose
from support.policy_graph import HORIZON, write_bundle
from support.steady_policies import changed
from support.waiting import wait_until

from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.tip_pose import TIP
from quantvla_ros.robot.units import entries

GOAL = np.array([0.25, 0.3, -0.2])
"""Where the joints must be for the pose that the policy asks for."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """One and the same pose for ever; its code is in fake_policies."""
    made, joints = pose("rot6d", JOINTS), entries(JOINTS, "rad", "arm")
    state = StateSpace(joints, made.width, told=(TIP,), pose=made)
    action = ActionSpace((POSED,), joints, made.width, made)
    path = tmp_path_factory.mktemp("posed") / "float"
    return write_bundle(path, **changed(state, action, made.values(GOAL).tolist(), HORIZON))


@pytest.fixture(scope="module")
def parameters():
    return ("backend:=typical",)


def test_the_arm_brings_its_tip_to_the_policys_pose(policy, robot):
    policy.bring_to_motion()
    wait_until(lambda: np.abs(robot.setpoints[-1][1] - GOAL).max() < 0.01, 60, "the pose")
    policy.bring_to_dry_run()
    robot.assert_within_limits()
