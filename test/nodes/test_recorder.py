# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from support.waiting import patient, wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.offered_topic import message_class
from quantvla_ros.nodes.recorder import TopicTap

STRING = "std_msgs/msg/String"


def test_message_class_by_name():
    from std_msgs.msg import String

    assert message_class(STRING) is String
    with pytest.raises(QuantVLAError, match="my_robot_msgs"):
        message_class("my_robot_msgs/msg/Gripper")


def test_a_latched_message_from_before_arrives_and_order_is_kept(graph):
    latched = QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # keeps all
    publisher = graph.node.create_publisher(message_class(STRING), "/text", latched)
    publisher.publish(message_class(STRING)(data="before"))
    with TopicTap({"/text": (STRING,)}) as tap:
        tap.subscribe(patient(10))
        first = tap.next(patient(10))
        assert first is not None and b"before" in first.data
        for i in range(10):
            publisher.publish(message_class(STRING)(data=f"text {i}"))
        arrivals = []

        def all_there():
            arrival = tap.next(0.1)
            if arrival is not None:
                arrivals.append(arrival)
            return len(arrivals) == 10

        wait_until(all_there, 10.0, "the messages")
    assert [a.data[8:-1].decode() for a in arrivals] == [f"text {i}" for i in range(10)]
    times = [first.steady_s, *(a.steady_s for a in arrivals)]
    assert times == sorted(times)
