# SPDX-License-Identifier: Apache-2.0
"""A policy that commands joint velocities is played in closed loop as any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.holding_policy import Holding

from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.closed_loop import PARAMETERS, PERIOD_S
from calib_tools.evaluate.simulated_session import SimulatedSession
from quantvla_ros.robot.chunk import Chunk

SPEED = 0.15  # rad/s
SECONDS = 3.0


class Steady(Holding):
    """Turns the arm's first joint at one speed, and asks all others to stand."""

    def __init__(self):
        super().__init__()
        action = self.manifest.interface.action
        groups = tuple(
            replace(group, kind="joint_velocity") if group.type == "arm" else group
            for group in action.groups
        )
        arm = action.of_type("arm")
        entries = tuple(
            replace(e, unit="rad/s", si="rad/s") if moves else e
            for e, moves in zip(action.entries, arm, strict=True)
        )
        fast = replace(action, groups=groups, entries=entries)
        interface = replace(self.manifest.interface, action=fast)
        self.manifest = self.manifest.model_copy(update={"interface": interface})

    def infer(self, observation, noise, prefix=None):
        interface = self.manifest.interface
        values = np.zeros((interface.horizon, len(interface.action.entries)))
        values[:, 0], values[:, -1] = SPEED, observation.joints[-1]
        return Chunk(interface.chunk(values, observation.joints), observation.stamp, {})


def test_the_arm_turns_at_the_policys_speed_and_the_other_joints_stand(robot):
    robot.reset(5_000_000, 0, -1)
    playing = SimulatedSession(robot, Steady(), PARAMETERS, lambda: 0.1, ControllerSetup())
    playing.arm()
    for _ in range(round(1.0 / PERIOD_S)):
        playing.step(PERIOD_S)
    before = robot.positions[:7]
    for _ in range(round(SECONDS / PERIOD_S)):
        playing.step(PERIOD_S)
    speeds = (robot.positions[:7] - before) / SECONDS
    print(speeds)
    np.testing.assert_allclose(speeds[0], SPEED, rtol=0.1)
    # Each chunk begins where the joints are measured, so that sagging ones would creep.
    assert np.abs(speeds[1:]).max() < 0.01
    assert playing.session.as_record()["faults"] == {}
