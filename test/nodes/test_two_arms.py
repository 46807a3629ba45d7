# SPDX-License-Identifier: Apache-2.0
"""A real policy in degrees, -100..100 and 0..1 moves two arms and two grippers by a robot.yaml."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from support.two_arms import JOINTS, TwoArms
from support.untrained import save_untrained
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.units import entry, range_entry

# What the policy asks for, in its own units and in rad.
WANTED = {"left.pos": (20.0, np.deg2rad(20.0)), "left.hand": (0.25, 0.2),
          "right.pos": (50.0, 0.5), "right.hand": (0.75, 0.6)}  # fmt: skip


@pytest.fixture(scope="module")
def make_robot(ros):
    return TwoArms


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    entries = (
        entry("left.pos", "deg", "left"),
        range_entry("left.hand", "0..1", "left_hand", "rad", (0.0, 0.8)),
        range_entry("right.pos", "-100..100", "right", "rad", (-1.0, 1.0)),
        range_entry("right.hand", "0..1", "right_hand", "rad", (0.0, 0.8)),
    )
    groups = tuple(
        ActionGroup(name, kind, "joint_position")
        for name, kind in (
            ("left", "arm"), ("left_hand", "gripper"), ("right", "arm"), ("right_hand", "gripper"),
        )
    )  # fmt: skip
    return save_untrained(
        tmp_path_factory.mktemp("two") / "float",
        StateSpace(entries, 4),
        ActionSpace(groups, entries, 4),
        [own for own, _ in WANTED.values()],
        [1e-4] * 4,  # the network is not trained: what it adds to the mean is nothing
        state_std=[10.0, 1.0, 10.0, 1.0],
        horizon=40,  # a busy machine takes long for an inference
    )


@pytest.fixture(scope="module")
def robot_file(tmp_path_factory):
    def group(kind, joint, policy, **more):
        limits = {"max_acceleration": 10.0, "max_jerk": 300.0}
        return {"type": kind, "joints": {joint: {"policy": policy, **limits}}, **more}

    hand = {"controller": "forward_command"}
    content = {
        "name": "two arms",
        "limits_from": "the test",
        "cameras": {"front": "front/image_raw"},
        "groups": {
            "left": group("arm", JOINTS[0], "left.pos", output="left/joint_trajectory"),
            "left_hand": group(
                "gripper", JOINTS[1], "left.hand", output="left/gripper/commands", **hand
            ),
            "right": group("arm", JOINTS[2], "right.pos", output="right/joint_trajectory"),
            "right_hand": group(
                "gripper", JOINTS[3], "right.hand", output="right/gripper/commands", **hand
            ),
        },
    }
    path = tmp_path_factory.mktemp("robot") / "robot.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def parameters(robot_file):
    return (f"robot:={robot_file}", "backend:=reference", "inference_timeout_s:=20.0")


def test_each_controller_gets_its_joints_in_si(moving, robot):
    def there():
        at = robot.setpoints[-1][1]
        return np.abs(at - [si for _, si in WANTED.values()]).max() < 5e-3

    wait_until(there, 40, lambda: f"{WANTED}, and not {robot.setpoints[-1][1]}")
    assert {tuple(w.joint_names) for w in robot.windows} == {("left_joint",)}
    assert {tuple(w.joint_names) for w in robot.right_windows} == {("right_joint",)}
    assert min(map(len, robot.grips.values())) > 0
    assert robot.grips["left"][-1] == pytest.approx(0.2, abs=5e-3)
    robot.assert_within_limits()


def test_a_joint_outside_its_training_is_told_in_the_policys_unit(policy, robot):
    policy.bring_to_dry_run()
    robot.measure = lambda at: at + np.array([np.deg2rad(150.0), 0.0, 0.0, 0.0])
    policy.wait_for_inputs("STATE_OUT_OF_RANGE: joint 'left_joint' is measured at ", 30)
    text = policy.client.diagnostics("inputs")[0]
    assert "the policy was trained between -100.00 and 100.00 deg (10 standard deviations)" in text
    with pytest.raises(QuantVLAError, match="STATE_OUT_OF_RANGE"):
        policy.client.arm()
    robot.heal()
