# SPDX-License-Identifier: Apache-2.0
"""Which joint states of a batch are decoded, and whose they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from support.joint_worlds import observed_joints
from support.waiting import wait_until

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.nodes.inputs import Inputs
from quantvla_ros.nodes.joint_intake import JointIntake, Taken
from quantvla_ros.nodes.joint_publishers import JointPublishers
from quantvla_ros.nodes.qos import JOINT_STATES
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Gates

GATES = Gates(camera_age=1.0, joint_age=1.0, skew=1.0, future=1.0, frozen=0.0, jump=0.1)
NOW = 100


def joint_state(stamp, number=None, **positions):
    message = JointState(name=list(positions), position=list(positions.values()))
    message.header.stamp = Time(sec=stamp)
    return Taken(serialize_message(message), number)


def decoded(data):
    try:
        return deserialize_message(data, JointState)
    except Exception:  # whatever the middleware raises
        return None


def intake(several):
    publishers = SimpleNamespace(several=several, looks=0)

    def look():
        publishers.looks, publishers.several = publishers.looks + 1, True

    publishers.look = look
    return JointIntake(publishers, decoded, lambda: float(NOW))


@pytest.fixture
def buffer():
    return InputBuffer(["top"], ["a", "b"], lambda: GATES)


def test_of_one_publisher_only_the_newest_message_with_all_joints_counts(buffer):
    whole = [joint_state(NOW, a=float(k), b=5.0) for k in range(3)]
    damaged = Taken(b"\x00\x01", None)
    samples = intake(False).take([*whole, damaged, joint_state(NOW, a=7.0, b=8.0)], buffer)
    assert [sample.positions.tolist() for sample in samples] == [[7.0, 8.0]]
    assert buffer.received["joint_states"] == 1


def test_parts_are_all_taken(buffer):
    batch = [joint_state(NOW - 2, b=2.0), joint_state(NOW - 1, a=1.0)]
    assert intake(False).take(batch, buffer)[-1].positions.tolist() == [1.0, 2.0]


def test_of_several_publishers_every_message_counts(buffer):
    """Else zeros that come just after each true state would replace all of them, unseen."""
    buffer.know_joints(observed_joints(["a", "b"]))
    batch = [joint_state(NOW - 1, a=9.0, b=5.0), joint_state(NOW, a=0.0, b=0.0)]
    assert len(intake(True).take(batch, buffer)) == 1
    assert buffer.received["joint_states"] == 2
    assert [code for code, _ in buffer.joint_conditions(NOW)] == [FaultCode.JOINT_JUMP]


def test_the_first_message_of_another_publisher_is_known_as_such(buffer):
    """So that the sentence about it names both; the graph is not asked at every message."""
    taking = intake(False)
    taking.take([joint_state(NOW - 2, 7, a=0.0, b=0.0)], buffer)
    taking.take([joint_state(NOW - 1, 8, a=0.0, b=0.0)], buffer)
    assert taking._publishers.looks == 0
    batch = [joint_state(NOW, 1, a=0.0, b=0.0), joint_state(NOW, 9, a=0.0, b=0.0)]
    taking.take(batch, buffer)
    assert taking._publishers.looks == 1 and buffer.received["joint_states"] == 4
    taking.take(batch, buffer)
    assert taking._publishers.looks == 1


def test_publishers_of_one_joint_are_told_apart_from_publishers_of_different_joints(graph):
    from support.ros_graph import Graph

    inputs = Inputs(graph.node, lambda error: None)
    buffer = InputBuffer(["top"], ["a", "b"], lambda: GATES)
    inputs.connect(buffer, "raw")
    other = Graph("second_driver")
    arm = graph.publisher(JointState, "joint_states", JOINT_STATES)
    gripper = other.publisher(JointState, "joint_states", JOINT_STATES)

    def publish(*messages):
        for publisher, names in messages:
            message = JointState(name=names, position=[0.5] * len(names))
            message.header.stamp = graph.node.get_clock().now().to_msg()
            publisher.publish(message)

    def now():
        return graph.node.get_clock().now().nanoseconds * 1e-9

    def taken(*messages):
        """Publish until another twenty are taken; return the trouble that comes of it, at last."""
        wanted = buffer.received["joint_states"] + 20
        wait_until(
            lambda: publish(*messages) or buffer.received["joint_states"] >= wanted, 20, "messages"
        )
        return buffer.joint_conditions(now())

    def all_known():
        inputs.publishers.look()
        return inputs.publishers.several and "second_driver" in inputs.publishers.text

    try:
        wait_until(all_known, 20, "both publishers by name")
        text = inputs.publishers.text
        assert text == " (publishers of /joint_states: /second_driver, /test)"
        assert taken((arm, ["a"]), (gripper, ["b"])) == []
        assert taken((arm, ["a"]), (gripper, ["b", "a"])) == [
            (FaultCode.JOINT_STATE_CONFLICT, "two publishers name joint 'a', end one of them")
        ]
    finally:
        inputs.close()
        other.close()


def test_the_text_goes_with_the_second_publisher(graph):
    publishers = JointPublishers(graph.node, "/told_by_two")
    first = graph.node.create_publisher(JointState, "/told_by_two", 1)
    second = graph.node.create_publisher(JointState, "/told_by_two", 1)

    def several():
        publishers.look()
        return publishers.several

    wait_until(several, 10, "both")
    assert publishers.text == " (publishers of /told_by_two: /test, /test)"
    graph.node.destroy_publisher(second)
    wait_until(lambda: not several(), 10, "the end of one")
    assert publishers.text == ""
    graph.node.destroy_publisher(first)
