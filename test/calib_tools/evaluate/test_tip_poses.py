# SPDX-License-Identifier: Apache-2.0
"""A policy that commands poses of the tip is played in closed loop as any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.holding_policy import Holding

from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.closed_loop import PARAMETERS, PERIOD_S, ClosedLoop
from calib_tools.evaluate.simulated_session import SimulatedSession
from calib_tools.evaluate.variants import check_fits_robot
from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.kinematics import kinematics_from_urdf
from quantvla_ros.robot.tip_pose import TIP, TipPose

RISE, SECONDS = 0.08, 3.0


class Rising(Holding):
    """Asks the tip to be a little higher than it was at first, turned as it was.

    With poses in the tip's frame its finger comes first, unlike the robot's own order.
    """

    def __init__(self, frame, rise=RISE):
        super().__init__()
        from simulation.urdf import BASE_LINK, TIP_LINK, panda_urdf

        interface = self.manifest.interface
        chain = kinematics_from_urdf(panda_urdf(), BASE_LINK, TIP_LINK)
        self.pose = TipPose(chain, "rot6d", (0.0,) * 6, frame)
        self.order = [7, *range(7)] if frame == "tip" else list(range(8))
        self.rise, self.goal = rise, None
        groups = tuple(
            replace(group, kind="ee_pose") if group.type == "arm" else group
            for group in interface.action.groups
        )
        states, actions = (
            tuple(space.entries[place] for place in self.order)
            for space in (interface.state, interface.action)
        )
        finger = interface.state.names[-1]
        told = (finger, TIP) if frame == "tip" else (TIP, finger)
        state = StateSpace(states, 10, told=told, pose=replace(self.pose, frame="base"))
        action = ActionSpace(groups, actions, 10, self.pose)
        changed = replace(interface, state=state, action=action)
        norm = self.manifest.normalization
        norm = norm.model_copy(update={"state_mean": [0.0] * 10, "state_std": [1.0] * 10})
        self.manifest = self.manifest.model_copy(
            update={"interface": changed, "normalization": norm}
        )

    def infer(self, observation, noise, prefix=None):
        interface, seen = self.manifest.interface, observation.joints.astype(float)
        joints = np.empty(8)
        joints[self.order] = seen
        here = interface.state.pose.values(joints[:7])
        if self.goal is None:
            self.goal = here + np.eye(9)[2] * self.rise
        values = [*self.goal, joints[7]]
        if self.pose.frame == "tip":
            back = rotation(here).T
            place = back @ (self.goal[:3] - here[:3])
            values = [joints[7], *place, *(back @ rotation(self.goal))[:2].ravel()]
        rows = np.tile(values, (interface.horizon, 1))
        return Chunk(interface.chunk(rows, seen), observation.stamp, {})


def rotation(pose):
    first, second = pose[3:6], pose[6:9]
    return np.stack([first, second, np.cross(first, second)])


@pytest.mark.parametrize("frame", ["base", "tip"])
def test_the_tip_goes_to_the_policys_pose(robot, frame):
    policy = Rising(frame)
    check_fits_robot(policy.manifest, Path("rising"))
    robot.reset(5_000_000, 0, -1)
    begun = robot.kinematics.forward(robot.positions[:7])
    playing = SimulatedSession(robot, policy, PARAMETERS, lambda: 0.1, ControllerSetup())
    playing.arm()
    for _ in range(round(SECONDS / PERIOD_S)):
        playing.step(PERIOD_S)
    place, turn = robot.kinematics.forward(robot.positions[:7])
    np.testing.assert_allclose(place - begun[0], [0.0, 0.0, RISE], atol=0.005)
    np.testing.assert_allclose(turn, begun[1], atol=0.02)
    assert playing.session.as_record()["faults"] == {}


def test_poses_that_are_nowhere_near_the_tip_end_the_episode_alone(robot):
    """As the node's fault does; the other episodes of an evaluation go on."""
    outcome = ClosedLoop(robot, Rising("base", 2.0), lambda: 0.1).play(5_000_000, 0, -1, 2.0)
    assert outcome.fault == "BACKEND_ERROR" and not outcome.success
