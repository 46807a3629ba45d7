# SPDX-License-Identifier: Apache-2.0
"""The configurations of ros2_control, MoveIt and Servo to start from fit each release and us.

Names and types of the parameters were read in 2026-11, in the branches humble, jazzy and kilted of
ros-controls/ros2_controllers (`*_parameters.yaml`) and moveit/moveit2 (moveit_servo:
`servo_parameters.cpp` of humble, `servo_parameters.yaml` since; moveit_simple_controller_manager).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantvla_ros.robot.gripper_types import DEFAULT_NAMES
from quantvla_ros.robot.robot_file import read_robot
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.servo_check import SERVO_PARAMETERS, SERVO_TIMEOUT_S, unfit
from simulation.controller_release import find_release
from simulation.robot import JOINT_NAMES
from simulation.urdf import BASE_LINK

CONFIG = Path(__file__).parents[1] / "config"
TAILS = {"humble": "_humble", "jazzy": "", "kilted": ""}
DEFAULTS = PolicyNodeParameters()
ARM, FINGER = list(JOINT_NAMES[:-1]), JOINT_NAMES[-1]

TRAJECTORY = {
    "joints": list, "command_joints": list, "command_interfaces": list, "state_interfaces": list,
    "allow_partial_joints_goal": bool, "allow_integration_in_goal_trajectories": bool,
    "allow_nonzero_velocity_at_trajectory_end": bool, "cmd_timeout": float,
    "interpolation_method": str, "action_monitor_rate": float,
    "set_last_command_interface_value_as_state_on_activation": bool,
}  # fmt: skip
GRIPPER = {
    "joint": str, "action_monitor_rate": float, "goal_tolerance": float, "max_effort": float,
    "allow_stalling": bool, "stall_velocity_threshold": float, "stall_timeout": float,
}  # fmt: skip
FORWARD = {"joints": list, "interface_name": str}
PARALLEL = "parallel_gripper_action_controller/GripperActionController"
JTC = "joint_trajectory_controller/JointTrajectoryController"
FCC = "forward_command_controller/ForwardCommandController"
JSB = {"joint_state_broadcaster/JointStateBroadcaster": {}}
CONTROLLERS: dict[str, dict[str, dict[str, type]]] = {
    "humble": {
        JTC: {**TRAJECTORY, "open_loop_control": bool},
        "position_controllers/GripperActionController": GRIPPER,
        FCC: FORWARD, **JSB,
    },
    # Jazzy has the gripper controllers of both, and warns at open_loop_control.
    "jazzy": {
        JTC: {**TRAJECTORY, "interpolate_from_desired_state": bool}, PARALLEL: GRIPPER,
        FCC: FORWARD, **JSB,
    },
    "kilted": {
        JTC: {**TRAJECTORY, "interpolate_from_desired_state": bool}, PARALLEL: GRIPPER,
        FCC: FORWARD, **JSB,
    },
}  # fmt: skip
SERVO = {
    "move_group_name": str, "command_in_type": str, "scale.linear": float,
    "scale.rotational": float, "scale.joint": float, "publish_period": float,
    "cartesian_command_in_topic": str, "joint_command_in_topic": str, "joint_topic": str,
    "incoming_command_timeout": float, "command_out_type": str, "command_out_topic": str,
    "publish_joint_positions": bool, "publish_joint_velocities": bool,
    "publish_joint_accelerations": bool, "smoothing_filter_plugin_name": str,
    "is_primary_planning_scene_monitor": bool, "check_collisions": bool,
    "lower_singularity_threshold": float, "hard_stop_singularity_threshold": float,
    "leaving_singularity_threshold_multiplier": float,
}  # fmt: skip
SERVO_SINCE_JAZZY = {
    **SERVO, "max_expected_latency": float, "use_smoothing": bool, "joint_limit_margins": list,
    "apply_twist_commands_about_ee_frame": bool,
}  # fmt: skip
SERVOS = {
    "humble": {
        **SERVO, "planning_frame": str, "robot_link_command_frame": str, "ee_frame_name": str,
        "num_outgoing_halt_msgs_to_publish": int, "joint_limit_margin": float,
    },
    "jazzy": SERVO_SINCE_JAZZY,
    "kilted": SERVO_SINCE_JAZZY,
}  # fmt: skip
GRIPPER_TYPE = {"humble": "GripperCommand", "jazzy": "ParallelGripperCommand"}
GRIPPER_TYPE["kilted"] = GRIPPER_TYPE["jazzy"]

each_release = pytest.mark.parametrize("name", TAILS)


def read(file: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONFIG / f"{file}{TAILS[name]}.yaml").read_text())
    return content


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        found |= (
            flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
        )
    return found


def assert_known(values: dict[str, Any], known: dict[str, type]) -> None:
    for key, value in flat(values).items():
        assert key in known, f"this release has no parameter '{key}'"
        # ROS does not take 1 for 1.0.
        assert type(value) is known[key], f"'{key}' must be of type {known[key].__name__}"


def servo(name: str) -> dict[str, Any]:
    content = read("servo", name)
    parameters: dict[str, Any] = content["/**"]["ros__parameters"]["moveit_servo"]
    return parameters


@each_release
def test_controllers_have_types_and_parameters_of_the_release(name: str) -> None:
    content = read("ros2_controllers", name)
    manager = content.pop("controller_manager")["ros__parameters"]
    rate = manager.pop("update_rate")
    assert type(rate) is int and rate >= 2 * DEFAULTS.control_rate_hz
    types = {controller: entry["type"] for controller, entry in manager.items()}
    assert set(content) == set(types) - {"joint_state_broadcaster"}
    for controller, kind in types.items():
        entry = content.get(controller, {"ros__parameters": {}})
        assert_known(entry["ros__parameters"], CONTROLLERS[name][kind])


@each_release
def test_controllers_command_our_joints_as_the_simulated_ones_do(name: str) -> None:
    content = {k: v["ros__parameters"] for k, v in read("ros2_controllers", name).items()}
    assert content["joint_trajectory_controller"]["joints"] == list(JOINT_NAMES)
    assert content["panda_arm_controller"]["joints"] == ARM
    assert content["panda_hand_controller"]["joint"] == FINGER
    assert content["panda_hand_position_controller"]["joints"] == [FINGER]
    option = find_release(name).desired_state_parameters[0]
    for controller in ("joint_trajectory_controller", "panda_arm_controller"):
        assert content[controller][option] is True
    moving_end = "allow_nonzero_velocity_at_trajectory_end"
    assert content["joint_trajectory_controller"][moving_end] is False
    assert content["panda_arm_controller"][moving_end] is True, "Servo's trajectories end in motion"
    assert list(read_robot("panda", CONFIG / "robots").joints) == list(JOINT_NAMES)


@each_release
def test_the_parameters_named_for_each_gripper_are_the_nodes(name: str) -> None:
    text = (CONFIG / f"ros2_controllers{TAILS[name]}.yaml").read_text()
    pattern = r"^# gripper_type: (\w+)\n# gripper_output: /(\w+)/(\w+)\n(\w+):$"
    told = re.findall(pattern, text, re.M)
    action = "gripper_command" if name == "humble" else "parallel_gripper_command"
    assert [kind for kind, *_ in told] == [action, "forward_command"]
    for kind, controller, output, entry in told:
        assert controller == entry
        assert PolicyNodeParameters(gripper_type=kind).gripper_type == kind
        assert output == DEFAULT_NAMES[kind].rpartition("/")[2]


@each_release
def test_moveit_finds_the_controllers_by_their_names_and_actions(name: str) -> None:
    content = read("moveit_controllers", name)
    assert set(content) == {"moveit_controller_manager", "moveit_simple_controller_manager"}
    managed = content["moveit_simple_controller_manager"]
    names = managed.pop("controller_names")
    assert set(managed) == set(names) <= set(read("ros2_controllers", name))
    arm, hand = managed["panda_arm_controller"], managed["panda_hand_controller"]
    assert (arm["type"], arm["action_ns"]) == ("FollowJointTrajectory", "follow_joint_trajectory")
    assert (hand["type"], hand["action_ns"]) == (GRIPPER_TYPE[name], "gripper_cmd")
    assert (arm["joints"], hand["joints"]) == (ARM, [FINGER])


@each_release
def test_servo_has_the_parameters_of_the_release_and_the_controller_of_the_arm(name: str) -> None:
    parameters = servo(name)
    assert_known(parameters, SERVOS[name])
    controller, _, topic = parameters["command_out_topic"].strip("/").partition("/")
    assert (controller in read("ros2_controllers", name), topic) == (True, "joint_trajectory")
    assert parameters.get("planning_frame", BASE_LINK) == BASE_LINK
    assert parameters.get("robot_link_command_frame", BASE_LINK) == BASE_LINK
    # Servo is not slower than the twists, and does not stop between two of them.
    period = 1.0 / DEFAULTS.control_rate_hz
    assert parameters["publish_period"] <= period < SERVO_TIMEOUT_S / 2


@each_release
def test_the_node_has_nothing_against_servo_and_would_have_against_its_defaults(name: str) -> None:
    values = {f"moveit_servo.{key}": value for key, value in flat(servo(name)).items()}
    judged = {key: values[key] for key in SERVO_PARAMETERS if key in values}
    assert len(judged) == len(SERVO_PARAMETERS) - 1, "all but use_sim_time"
    limits, capped = DEFAULTS.twist_limits(), name != "humble"
    assert unfit(judged, limits, simulated=False, capped=capped) is None
    assert "unitless" in str(
        unfit({**judged, "moveit_servo.command_in_type": "unitless"}, limits, False, capped)
    )
    cut = unfit({**judged, "moveit_servo.scale.rotational": 0.8}, limits, False, capped)
    assert (cut is not None) == capped
