# SPDX-License-Identifier: Apache-2.0
"""robot.yaml: the presets, what a mistake is told as, and how a policy fits a robot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from support.example_bundle import example_interface
from support.spaces import ARM, GRIPPER, action_space, state_space, twist

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.robot_file import PRESETS, RobotFile, read_robot
from quantvla_ros.robot.units import range_entry
from quantvla_ros.serving.gripper_setup import GripperSetup, gripper_setups
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import validate

FOLDER = shared_file(PRESETS)
PRESET_NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))


def preset(name):
    return read_robot(name, FOLDER)


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_a_preset_has_limits_for_every_joint_and_says_where_they_come_from(name):
    robot = preset(name)
    assert robot.name == name and len(robot.limits_from) > 40
    for key in ("max_acceleration", "max_jerk"):
        assert set(robot.limits(key)) == set(robot.joints)
    assert {group.type for group in robot.groups.values()} == {"arm", "gripper"}
    assert set(robot.limits("max_velocity")) <= set(robot.joints)
    assert all(robot.limits(key) is not None for key in JOINT_LIMIT_TEXTS)


def test_the_presets_are_these():
    assert PRESET_NAMES == ["franka_droid", "panda", "so101", "ur5e_robotiq"]


def so101_policy(unit="-100..100"):
    """As LeRobot trains it: the policy's own names, and its own numbers."""
    robot = preset("so101")
    group = {True: ARM, False: GRIPPER}
    entries = tuple(
        range_entry(
            joint.policy,
            unit if name != "gripper" else joint.unit,
            group[name != "gripper"].name,
            "rad",
            joint.ends,
        )
        for name, joint in robot.joints.items()
    )
    return replace(
        example_interface(None),
        state=StateSpace(entries, 6),
        action=ActionSpace((ARM, GRIPPER), entries, 6),
    )


def test_a_policy_of_minus_100_to_100_gets_the_robots_joints_and_radians():
    robot = preset("so101")
    fitted = robot.fit(so101_policy())
    assert fitted.action.names == fitted.state.names == list(robot.joints)
    ends = np.array([joint.ends for joint in robot.joints.values()])
    lowest = [-100.0] * 5 + [0.0]
    np.testing.assert_allclose(fitted.action.to_si(np.array(lowest)), ends[:, 0])
    np.testing.assert_allclose(fitted.action.to_si(np.full(6, 100.0)), ends[:, 1])
    assert robot.trajectories(fitted.action.joints) == {
        "arm_controller/joint_trajectory": list(robot.joints)
    }


def test_a_policy_that_counts_otherwise_than_the_robot_is_refused():
    with pytest.raises(QuantVLAError) as error:
        preset("so101").fit(so101_policy("-1..1"))
    text = str(error.value)
    assert "has joint 'shoulder_pan' in -100..100" in text
    assert "the policy's 'shoulder_pan.pos' is in -1..1" in text and "\n" not in text


def test_a_policy_of_another_robot_names_the_joint():
    with pytest.raises(QuantVLAError, match="has no joint that the policy calls 'panda_joint1'"):
        preset("ur5e_robotiq").fit(example_interface())


def test_a_tip_is_no_joint_and_its_gripper_gets_the_robots_name_and_controller():
    gripper = (GRIPPER, "m", ["hand"])
    interface = replace(
        example_interface(None),
        state=state_space((ARM, "rad", ["a"]), gripper),
        action=action_space(*twist(), gripper),
    )
    robot = RobotFile.model_validate(
        {
            "name": "arm",
            "limits_from": "here",
            "groups": {
                "arm": {"type": "arm", "joints": {"a": {}}},
                "gripper": {
                    "type": "gripper",
                    "controller": "forward_command",
                    "joints": {"finger_joint": {"policy": "hand", "si": "m"}},
                },
            },
        }
    )
    fitted = robot.fit(interface)
    assert fitted.action.joints == ["finger_joint"] and fitted.state.names == ["a", "finger_joint"]
    (setup,) = gripper_setups(fitted, validate({}), robot)
    assert setup == GripperSetup("finger_joint", "forward_command", "gripper_controller/commands")


def test_a_parameter_goes_before_the_robots_description():
    robot = preset("ur5e_robotiq")
    knuckle = "robotiq_85_left_knuckle_joint"
    joints = [*robot.groups["arm"].joints]
    interface = replace(
        example_interface(None),
        state=state_space((ARM, "rad", joints), (GRIPPER, "rad", [knuckle])),
        action=action_space((ARM, "rad", joints), (GRIPPER, "rad", [knuckle])),
    )
    (setup,) = gripper_setups(interface, validate({}), robot)
    assert setup == GripperSetup(
        knuckle, "gripper_command", "robotiq_gripper_controller/gripper_cmd"
    )
    values = {
        "gripper_joint": knuckle, "gripper_type": "forward_command", "gripper_output": "hand"
    }  # fmt: skip
    (setup,) = gripper_setups(interface, validate(values), robot)
    assert setup == GripperSetup(knuckle, "forward_command", "hand")


def broken(**changes):
    content = yaml.safe_load((FOLDER / "panda.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = content
        for key in parents:
            node = node[key]
        node[last] = value
    return yaml.safe_dump(content)


JOINT = "groups__arm__joints__panda_joint1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: [", "is not valid YAML in line"),
        ("", "is not valid at the whole"),
        (broken(colour="red"), "is not valid at colour: Extra inputs"),
        (broken(groups={}), "is not valid at groups: Dictionary should have at least 1"),
        (broken(**{f"{JOINT}__max_jerk": 0}), r"joints\.panda_joint1\.max_jerk: .*greater than 0"),
        (broken(**{f"{JOINT}__unit": "furlong"}), r"panda_joint1: 'it' has unit 'furlong'; known"),
        (broken(**{f"{JOINT}__unit": "0..1"}), "say which SI values its ends are"),
        (broken(**{f"{JOINT}__ends": [0, 1]}), "ends need a unit that is a range"),
        (broken(groups__arm__controller="gripper_command"), "takes one joint of a group of type"),
        (
            broken(**{f"{JOINT}__policy": "panda_joint2"}),
            "name 'panda_joint2' stands in two",
        ),
        (broken(cameras__front="my camera"), r"cameras\.front: String should match"),
    ],
)
def test_bad_input_is_one_sentence_with_file_and_key(tmp_path, text, told):
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    with pytest.raises(QuantVLAError, match=told) as error:
        read_robot(str(file), FOLDER)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_preset_that_is_none_names_those_that_are():
    with pytest.raises(QuantVLAError, match="no robot 'pandas'; the package knows franka_d"):
        preset("pandas")
    with pytest.raises(QuantVLAError, match=r"nowhere/robot.yaml cannot be read \(No such file"):
        preset("/nowhere/robot.yaml")
