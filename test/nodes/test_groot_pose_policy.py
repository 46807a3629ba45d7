# SPDX-License-Identifier: Apache-2.0
"""A GR00T checkpoint that asks for poses in the frame of the tip, through the real node."""

from __future__ import annotations

import numpy as np
from support.groot_poses import ARM, checkpoint, imported, robot_file, saved
from support.policy_graph import active_policy
from support.swinging_robot import SwingingRobot
from support.waiting import wait_until

GROUPS = ("eef_9d", "gripper_position")
POSED = ("tip", "gripper")


def test_the_node_moves_an_arm_with_it(ros, tmp_path):
    robot_yaml = robot_file(tmp_path, "rot6d", POSED, POSED)
    made = imported(checkpoint(tmp_path / "raw", GROUPS, GROUPS), robot_yaml)
    robot = SwingingRobot((*ARM, "gripper"))
    robot.put([0.3, 0.4, -0.5, 0.2, 0.7, -0.3, 0.05])
    parameters = (
        "backend:=cpu",
        f"robot:={robot_yaml}",
        "camera_check:=ignore",
        "inference_timeout_s:=20.0",
    )
    bundle = saved(tmp_path / "float", made)
    try:
        with active_policy(robot, bundle, tmp_path, *parameters, limits=()) as policy:
            policy.bring_to_motion()
            begun = np.array(robot.setpoints[0][1][:6])
            wait_until(lambda: np.abs(robot.setpoints[-1][1][:6] - begun).max() > 5e-3, 60, "a way")
            policy.bring_to_dry_run()
        robot.assert_within_limits()
    finally:
        robot.close()
