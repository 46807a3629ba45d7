# SPDX-License-Identifier: Apache-2.0
"""Publishes bytes as they are, sound or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantvla_ros.nodes import qos
from quantvla_ros.nodes.offered_topic import message_class

if TYPE_CHECKING:
    from rclpy.node import Node

_PROFILES = {
    "sensor_msgs/msg/Image": qos.SENSOR,
    "sensor_msgs/msg/JointState": qos.JOINT_STATES,
    "std_msgs/msg/String": qos.LATCHED,
    "rosgraph_msgs/msg/Clock": qos.CLOCK,
}


class RawPublisher:
    """Another publisher on topics that have one; for tests and studies."""

    def __init__(self, node: Node, topics: dict[str, str]) -> None:
        """Create the publishers.

        Args:
            node: any node.
            topics: full topic name -> message type, one of Image, JointState, String, Clock.
        """
        self._node = node
        self._publishers = {
            topic: node.create_publisher(message_class(kind), topic, _PROFILES[kind])
            for topic, kind in topics.items()
        }

    def found(self) -> bool:
        """Whether every reader of the topics has found its new publisher."""
        return all(
            publisher.get_subscription_count() >= self._node.count_subscribers(topic)
            for topic, publisher in self._publishers.items()
        )

    def close(self) -> None:
        """Leave the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def publish(self, topic: str, data: bytes) -> bool:
        """Publish serialized bytes on one of the topics; False if the middleware refuses them.

        It takes none that are too short to be any message.
        """
        try:
            self._publishers[topic].publish(data)
        except Exception:  # rclpy's own types are no part of its interface
            return False
        return True
