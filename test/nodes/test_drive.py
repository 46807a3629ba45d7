# SPDX-License-Identifier: Apache-2.0
"""What goes out for a window: message for message, without a graph."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TwistStamped
from support.spaces import ARM, GRIPPER, action_space, state_space, twist

from quantvla_ros.control.chunk_check import chunk_error
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.twist import TwistLimits
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.drive import JointDrive
from quantvla_ros.nodes.gripper import ForwardGripper
from quantvla_ros.nodes.twist_drive import HALT_S, TwistDrive, TwistOutput
from quantvla_ros.robot.interface import CameraSlot, Interface
from quantvla_ros.serving.input_types import JointSample
from quantvla_ros.serving.stamps import seconds_of

PERIOD = 0.02


class Topic(list):
    """A publisher that keeps what it is given."""

    publish = list.append


class FakeNode:
    """Makes publishers; nothing is sent anywhere."""

    def __init__(self):
        self.topics = {}

    def create_publisher(self, kind, topic, qos):
        return self.topics.setdefault((kind.__name__, topic), Topic())

    def destroy_publisher(self, publisher):
        publisher.append("destroyed")


def limits(*names):
    ones = np.ones(len(names))
    return JointLimits(names, -3 * ones, 3 * ones, ones, ones, ones)


def window(columns):
    rows = np.arange(3.0 * columns).reshape(3, columns) / 10
    return Window(5.0, np.array([0.0, 0.04, 0.06]), rows, rows + 1, rows + 2)


def interface(units):
    gripper = (GRIPPER, "m", ["finger"])
    return Interface(
        cameras=(CameraSlot("front", 4, 4),),
        state=state_space((ARM, "rad", ["elbow"]), gripper),
        action=action_space(*twist(*units), gripper),
        dt=0.1,
        horizon=4,
    )


PER_SECOND, PER_STEP = ("m/s", "rad/s"), ("m", "rad")
SAMPLE = JointSample(4.0, np.array([0.7, 0.03]), np.array([0.1, 0.2]))


def twist_drive(units=PER_SECOND, gripper=None):
    grippers = [] if gripper is None else [gripper]
    topic = Topic()
    drive = TwistDrive(
        interface(units), TwistLimits(0.2, 1.0, 1.0, 4.0), limits("finger"), grippers,
        TwistOutput(topic, "base", PERIOD),
    )  # fmt: skip
    return drive, topic


def test_all_joints_in_one_trajectory_ordered_by_name():
    topic = Topic()
    drive = JointDrive(limits("wrist", "elbow"), ("elbow", "wrist"), [(topic, ["wrist", "elbow"])])
    position, velocity = drive.measured(SAMPLE)
    np.testing.assert_array_equal(position, [0.03, 0.7])
    np.testing.assert_array_equal(velocity, [0.2, 0.1])
    publish = drive.prepared(window(2))
    assert topic == []
    publish()
    (message,) = topic
    assert message.joint_names == ["wrist", "elbow"]
    assert list(message.points[1].positions) == pytest.approx([0.2, 0.3])
    assert drive.idle(9.0) and drive.speeds is None


COMMANDS = ("Float64MultiArray", "gripper/commands")


def moved(by):
    """`window(2)` after its first joint has moved."""
    later = window(2)
    later.positions[:, 0] += by
    return later


def test_a_gripper_with_a_topic_of_its_own_leaves_the_trajectory():
    topic, node = Topic(), FakeNode()
    gripper = ForwardGripper(node, "finger", "gripper/commands")
    drive = JointDrive(
        limits("finger", "elbow"), ("elbow", "finger"), [(topic, ["elbow"])], [gripper]
    )
    drive.prepared(window(2))()
    assert topic[0].joint_names == ["elbow"]
    assert list(topic[0].points[2].positions) == pytest.approx([0.5])
    assert list(topic[0].points[2].velocities) == pytest.approx([1.5])
    assert node.topics[COMMANDS] == [], "where it is at the beginning is not told: it may hold"
    drive.prepared(moved(0.01))()
    (sent,) = node.topics[COMMANDS]
    assert list(sent.data) == pytest.approx([0.01])
    assert drive.watched.all() and list(drive.grippers) == [gripper]


def test_a_gripper_is_told_the_end_of_the_last_window_once():
    node = FakeNode()
    gripper = ForwardGripper(node, "finger", "gripper/commands")
    drive = JointDrive(
        limits("finger", "elbow"), ("elbow", "finger"), [(Topic(), ["elbow"])], [gripper]
    )
    drive.prepared(window(2))()
    drive.idle(1.0)
    drive.prepared(moved(0.01))()
    drive.prepared(moved(0.02))  # not published
    for _ in range(3):
        assert drive.idle(5.1)
    sent = [list(message.data) for message in node.topics[COMMANDS]]
    assert sent == [pytest.approx([0.01]), pytest.approx([0.41])]
    drive.begin()
    drive.prepared(moved(0.3))()
    drive.idle(6.0)
    assert len(node.topics[COMMANDS]) == 2, "another motion begins with holding"


def test_two_arms_have_a_trajectory_each_and_each_gripper_its_own_command():
    node, left, right = FakeNode(), Topic(), Topic()
    names = ("l1", "l2", "lg", "r1", "rg")
    grippers = [ForwardGripper(node, f"{side}g", f"{side}/commands") for side in "lr"]
    drive = JointDrive(limits(*names), names, [(left, ["l1", "l2"]), (right, ["r1"])], grippers)
    drive.prepared(window(5))()
    assert left[0].joint_names == ["l1", "l2"] and right[0].joint_names == ["r1"]
    assert list(left[0].points[0].positions) == pytest.approx([0.0, 0.1])
    assert list(right[0].points[0].positions) == pytest.approx([0.3])
    later = window(5)
    later.positions[:, 4] += 0.05
    drive.prepared(later)()
    assert node.topics["Float64MultiArray", "l/commands"] == []
    assert list(node.topics["Float64MultiArray", "r/commands"][0].data) == pytest.approx([0.45])
    assert drive.idle(9.0) and len(drive.publishers) == 4


def test_twists_are_stamped_named_by_frame_and_within_limits():
    node = FakeNode()
    drive, topic = twist_drive(gripper=ForwardGripper(node, "finger", "gripper/commands"))
    drive.prepared(window(7))()
    topic.clear()
    made = window(7)
    made.positions[0] = [0.3, 0.0, 0.4, 0.0, 0.1, -0.2, 0.025]
    drive.prepared(made)()
    (message,) = topic
    assert isinstance(message, TwistStamped)
    assert seconds_of(message.header.stamp) == pytest.approx(5.0)
    assert message.header.frame_id == "base"
    linear, angular = message.twist.linear, message.twist.angular
    assert [linear.x, linear.y, linear.z] == pytest.approx([0.12, 0.0, 0.16])
    assert [angular.x, angular.y, angular.z] == pytest.approx([0.0, 0.1, -0.2])
    assert list(node.topics[COMMANDS][0].data) == pytest.approx([0.025])


def test_a_stop_is_repeated_and_then_there_is_silence():
    drive, topic = twist_drive()
    assert drive.idle(1.0) and topic == []  # nothing was commanded yet
    drive.prepared(window(7))()
    topic.clear()
    calls = 0
    while not drive.idle(10.0 + calls * PERIOD):
        calls += 1
    assert len(topic) == round(HALT_S / PERIOD)
    for k, message in enumerate(topic):
        assert message.twist == TwistStamped().twist
        assert seconds_of(message.header.stamp) == pytest.approx(10.0 + k * PERIOD)
        assert message.header.frame_id == "base"
    assert drive.idle(99.0) and len(topic) == round(HALT_S / PERIOD)


@pytest.mark.parametrize(("units", "step"), [(PER_SECOND, 0.15), (PER_STEP, 0.015)])
def test_velocities_and_steps_are_the_same_twist_and_back(units, step):
    drive, _ = twist_drive(units)
    actions = np.zeros((4, 7))
    actions[:, 1], actions[:, 6] = step, 0.02
    points = drive.points(actions)
    np.testing.assert_allclose(points[:, 1], 0.15)
    np.testing.assert_array_equal(points[:, 6], 0.02)
    np.testing.assert_allclose(drive.actions(points), actions)
    np.testing.assert_allclose(drive.points(9 * actions)[:, 1], 0.2)
    assert drive.speeds.tolist() == [True] * 6 + [False]
    assert drive.points(np.zeros((4, 3))).shape == (4, 3)  # the motion controller refuses it


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e5])
def test_a_number_that_is_damage_is_not_scaled_to_a_twist(value):
    drive, _ = twist_drive()
    actions = np.zeros((3, 7))
    actions[1, 4] = value
    assert "'angular_y' in row 1" in chunk_error(
        drive.points(actions), drive.limits.names, 1.0, 0.1, 1.0
    )


def test_only_the_gripper_is_measured():
    drive, _ = twist_drive()
    position, velocity = drive.measured(SAMPLE)
    np.testing.assert_array_equal(position, [0, 0, 0, 0, 0, 0, 0.03])
    np.testing.assert_array_equal(velocity, [0, 0, 0, 0, 0, 0, 0.2])
    assert drive.watched.tolist() == [False] * 6 + [True]
