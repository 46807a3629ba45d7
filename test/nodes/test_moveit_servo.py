# SPDX-License-Identifier: Apache-2.0
"""Before arming: MoveIt Servo of each release is checked and told to take twists, on the graph."""

from __future__ import annotations

import contextlib

import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TwistStamped
from support.fake_servo import FakeServo, install_moveit_msgs
from support.policy_graph import active_policy
from support.tip_robot import PARAMETERS, TipRobot, write_tip_bundle
from support.waiting import wait_until

from quantvla_ros.control.twist import TwistLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import moveit_servo
from quantvla_ros.nodes.moveit_servo import MoveItServo
from quantvla_ros.nodes.qos import COMMAND

LIMITS = TwistLimits(0.25, 1.0, 1.0, 4.0)
TOPIC = "/servo_node/delta_twist_cmds"


@pytest.fixture
def asker(graph, monkeypatch):
    """The policy node's side, which publishes where Servo listens."""
    monkeypatch.setattr(moveit_servo, "ANSWER_S", 20.0)  # a busy machine
    publisher = graph.node.create_publisher(TwistStamped, TOPIC, COMMAND)
    servo = MoveItServo(graph.node, "servo_node/", publisher.topic_name, LIMITS)
    yield servo
    servo.close()
    graph.node.destroy_publisher(publisher)


@contextlib.contextmanager
def running(release, **more):
    servo = FakeServo(release, **more)
    try:
        yield servo
    finally:
        servo.close()


def test_humbles_servo_is_started_without_moveit_msgs(asker):
    with running("humble", rotational=0.8) as servo:  # it applies no scale to m/s and rad/s
        asker.take_twists()
        assert servo.told == ["start_servo"]


def test_servo_since_jazzy_is_switched_to_twists_and_unpaused(asker, monkeypatch):
    with running("jazzy") as servo:
        with pytest.raises(QuantVLAError, match=r"ServoCommandType.* install it \(ros-"):
            asker.take_twists()
        assert servo.told == []
        install_moveit_msgs(monkeypatch)
        asker.take_twists()
        assert servo.told == ["switch_command_type True", "pause_servo False"]


@pytest.mark.parametrize(
    ("release", "more", "reason"),
    [
        ("humble", {"command_in_type": "unitless"}, "command_in_type' is 'unitless', .*set it to"),
        ("jazzy", {"command_in_type": "unitless"}, "command_in_type' is 'unitless', .*set it to"),
        ("jazzy", {"rotational": 0.8}, "cuts twists at 0.8, .* 'max_angular_velocity' is 1;"),
        ("jazzy", {"linear": 0.2}, "cuts twists at 0.2, .* 'max_linear_velocity' is 0.25;"),
        ("jazzy", {"incoming_command_timeout": 0.5}, "is 0.5, and this node counts on 0.1;"),
        ("humble", {"topic": "/elsewhere"}, f"does not listen on {TOPIC}: remap 'twist'"),
    ],
)
def test_a_servo_that_would_do_something_else_is_told_nothing(
    asker, monkeypatch, release, more, reason
):
    install_moveit_msgs(monkeypatch)
    if "topic" in more:
        monkeypatch.setattr(moveit_servo, "ANSWER_S", 1.0)
    with running(release, **more) as servo:
        with pytest.raises(QuantVLAError, match=rf"Cannot arm: '/servo_node' .*{reason}"):
            asker.take_twists()
        assert servo.told == []


def test_a_servo_on_another_clock(asker, graph):
    with running("humble") as servo:
        from rclpy.parameter import Parameter

        servo.node.set_parameters([Parameter("use_sim_time", value=True)])
        with pytest.raises(QuantVLAError, match="'use_sim_time' is true and this node's is not"):
            asker.take_twists()


def test_parameters_under_other_names_are_not_judged(asker):
    with running("humble", command_in_type="unitless", without=["moveit_servo.scale.linear"]) as s:
        s.node.undeclare_parameter("moveit_servo.command_in_type")
        asker.take_twists()
        assert s.told == ["start_servo"]


def test_a_servo_that_refuses_and_none_at_all(asker, monkeypatch):
    with running("humble") as servo:
        servo.refuses = True
        with pytest.raises(QuantVLAError, match="'/servo_node/start_servo' refuses: look at"):
            asker.take_twists()
    monkeypatch.setattr(moveit_servo, "ANSWER_S", 0.5)

    def gone():
        with pytest.raises(QuantVLAError) as error:
            asker.take_twists()
        return "start MoveIt Servo or correct 'servo_node'" in str(error.value)

    wait_until(gone, 20, "the end of Servo")


def test_arming_starts_servo_and_is_refused_while_it_takes_other_units(ros, tmp_path):
    """The whole node, at a Servo of Humble that listens where the node publishes."""
    robot, bundle = TipRobot(), write_tip_bundle(tmp_path / "bundle")
    try:
        with (
            running("humble", topic="/twist", command_in_type="unitless") as servo,
            active_policy(robot, bundle, tmp_path, *PARAMETERS, "servo_node:=/servo_node") as node,
        ):
            node.wait_for_inputs("fresh")
            with pytest.raises(QuantVLAError, match="'unitless'"):
                node.client.arm()
            assert servo.told == [] and robot.twists == []
            from rclpy.parameter import Parameter

            units = Parameter("moveit_servo.command_in_type", value="speed_units")
            servo.node.set_parameters([units])
            node.client.arm()
            assert servo.told == ["start_servo"]
            wait_until(lambda: robot.speed > 0.05, 20, "motion")
    finally:
        robot.close()
