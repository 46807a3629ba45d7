# SPDX-License-Identifier: Apache-2.0
"""A robot that publishes a made-up stream."""

from __future__ import annotations

import threading

from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from quantvla_ros.nodes.offered_topic import message_class

SENSOR = (DurabilityPolicy.VOLATILE, ReliabilityPolicy.BEST_EFFORT)
QOS = {"/instruction": (DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.RELIABLE)}


class StreamingRobot:
    """Publishes a stream from a thread, faster than life, until it is stopped."""

    def __init__(self, stream, topics=None, qos=None):
        self._stream = stream
        self._context = Context()
        self._context.init()
        self._node = Node("robot", context=self._context)
        self._publishers = {}
        for topic, msgtype in {m.topic: m.msgtype for m in stream}.items():
            if topics is None or topic in topics:
                durability, reliability = {**QOS, **(qos or {})}.get(topic, SENSOR)
                self._publishers[topic] = self._node.create_publisher(
                    message_class(msgtype),
                    topic,
                    QoSProfile(depth=10, durability=durability, reliability=reliability),
                )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        # The stream does not last for ever, so it begins when somebody listens.
        while not any(p.get_subscription_count() for p in self._publishers.values()):
            if self._stop.wait(0.002):
                return
        for message in self._stream:
            if message.topic in self._publishers:
                self._publishers[message.topic].publish(message.data)
            if self._stop.wait(0.002):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._node.destroy_node()
        self._context.try_shutdown()
