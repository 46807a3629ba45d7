# SPDX-License-Identifier: Apache-2.0
"""Which gripper the parameters mean, and which of them do not fit."""

from __future__ import annotations

import dataclasses
import types
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Float64MultiArray
from support.policy_graph import manifest
from support.tip_robot import tip_action
from support.waiting import wait_until

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.gripper import ForwardGripper
from quantvla_ros.nodes.gripper_builder import GripperBuilder
from quantvla_ros.nodes.qos import COMMAND
from quantvla_ros.serving.gripper_setup import gripper_setups
from quantvla_ros.serving.parameter_table import validate

ARM = manifest().interface
TIP = replace(ARM, action=tip_action())
ONES = np.ones(3)
LIMITS = JointLimits(tuple(ARM.action.joints), -ONES, ONES, ONES, ONES, ONES)
FINGER = {"gripper_joint": "finger"}
FORWARD, ACTION = {"gripper_type": "forward_command"}, {"gripper_type": "gripper_command"}


def build(builder, interface, values, limits=LIMITS):
    parameters = validate(values)
    (setup,) = gripper_setups(interface, parameters, None)
    return builder.build(setup, parameters, limits)


def test_a_gripper_in_the_trajectory_is_none_of_its_own():
    assert gripper_setups(ARM, validate({}), None) == []


@pytest.mark.parametrize(
    ("interface", "values", "text"),
    [
        (ARM, FINGER, "'gripper_joint' is 'finger' and 'gripper_type' is 'trajectory'"),
        (ARM, FORWARD, "'gripper_joint' is empty: name the gripper's joint, one of joint1, joint2"),
        (ARM, {**FORWARD, "gripper_joint": "elbow"}, "is 'elbow' and the policy commands joint1"),
        (ARM, {**FINGER, **FORWARD, "gripper_output": "my hand"}, "is 'my hand', which is no ROS"),
        (TIP, {}, "moves the tip and the gripper's joint 'finger', and parameter 'gripper_type'"),
        (TIP, {**FORWARD, "gripper_joint": "joint1"}, "is 'joint1' and the policy commands finger"),
    ],
)
def test_parameters_that_do_not_fit_are_named(graph, interface, values, text):
    with pytest.raises(QuantVLAError, match=text):
        build(GripperBuilder(graph.node), interface, values)


def test_an_action_keeps_its_type_and_needs_a_joint_with_limits(graph, control_msgs):
    builder = GripperBuilder(graph.node)
    values = {**FINGER, **ACTION, "gripper_output": "kept/gripper_cmd"}
    gripper = build(builder, ARM, values)
    assert gripper.action == "/kept/gripper_cmd" and not gripper.watched
    build(builder, TIP, {**values, "gripper_max_effort": 3.0})
    with pytest.raises(
        QuantVLAError, match=r"was 'gripper_command' before .* start the node again"
    ):
        other = {**values, "gripper_type": "parallel_gripper_command"}
        build(builder, ARM, other)
    turning = dataclasses.replace(LIMITS, lower=-np.inf * ONES, upper=np.inf * ONES)
    with pytest.raises(QuantVLAError, match="'finger' has no position limits"):
        build(builder, ARM, values, turning)
    code, text = gripper.absent()
    assert code is FaultCode.GRIPPER_FAILED
    assert "no action server /kept/gripper_cmd of control_msgs/action/GripperCommand: start" in text


def test_nobody_who_listens_refuses_arming(graph):
    values = {**FINGER, **FORWARD, "gripper_output": "absent/commands"}
    gripper = build(GripperBuilder(graph.node), ARM, values)
    assert isinstance(gripper, ForwardGripper)
    code, text = gripper.absent()
    assert code is FaultCode.GRIPPER_FAILED
    assert "nobody listens on /absent/commands for std_msgs/msg/Float64MultiArray: start" in text
    graph.listen(Float64MultiArray, "absent/commands", COMMAND)
    wait_until(lambda: gripper.absent() is None, 20, "a listener")
    gripper.close()


class Elsewhere:
    """A node in whose graph somebody listens for another type; one process cannot have both."""

    topic_name = "/hand/commands"

    def create_publisher(self, kind, topic, qos):
        return self

    def get_subscription_count(self):
        return 0

    def get_subscriptions_info_by_topic(self, topic):
        return [types.SimpleNamespace(topic_type="std_msgs/msg/Float64")]


def test_a_listener_for_another_type_is_named():
    _, text = ForwardGripper(Elsewhere(), "finger", "hand/commands").absent()
    assert "for std_msgs/msg/Float64MultiArray, but somebody does for std_msgs/msg/Float64:" in text
