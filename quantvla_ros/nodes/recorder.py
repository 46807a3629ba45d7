# SPDX-License-Identifier: Apache-2.0
"""Serialized messages of live topics, in their order of arrival, for the calibration buffer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.executor import spin_while
from quantvla_ros.nodes.offered_topic import OfferedTopic, message_class
from quantvla_ros.nodes.offers import nothing_arrived
from quantvla_ros.serving.log_directory import use_log_directory

DEPTH = 50  # a recorder may lag behind for a moment; it must not lose what a policy saw
_POLL_S = 0.1
_LOOK_S = 0.25


@dataclass(frozen=True)
class Arrival:
    """One message: full topic name, type as "package/msg/Name", CDR bytes, steady time in s.

    `number` is what its publisher gave it; None where middleware or rclpy (Humble) tells none.
    """

    topic: str
    msgtype: str
    data: bytes
    steady_s: float
    number: int | None = None


class TopicTap:
    """Subscribes to topics without decoding them; use it as a context manager.

    It has a ROS context of its own, takes over no signals, and runs its callbacks in a thread.
    Each subscription matches its publishers (see `OfferedTopic`), also later ones.
    """

    def __init__(self, topics: Mapping[str, tuple[str, ...]], name: str = "recorder") -> None:
        """Remember what to read.

        Args:
            topics: full topic name -> message types that it may carry.
            name: of the ROS node.
        """
        self._types = dict(topics)
        self._topics: list[OfferedTopic] = []
        self._name = name
        self._next_look = 0.0
        self._stopping = threading.Event()
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def __enter__(self) -> TopicTap:
        """Start the node.

        Raises:
            QuantVLAError: ROS cannot write its logs.
        """
        use_log_directory()
        self._context = Context()
        self._context.init()
        self.node = Node(self._name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="executor", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop the thread, the executor, the node and the context, in this order."""
        self._stopping.set()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        spin_while(self._executor, self._look)

    def _look(self) -> bool:
        """Look now and then who publishes what; whether to go on."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_S
            for topic in self._topics:
                topic.look()
        return not self._stopping.is_set()

    def subscribe(self, timeout_s: float, optional: Container[str] = ()) -> list[str]:
        """Wait until every topic has a publisher that can be read, and read it from then on.

        Returns:
            The `optional` topics that have none within the time.

        Raises:
            QuantVLAError: another one has none; says what is there.
        """
        for name, types in self._types.items():
            for msgtype in types:
                message_class(msgtype)  # says so if it is not installed
            self._topics.append(OfferedTopic(self.node, name, types, self._receiver(name), DEPTH))
        deadline = time.monotonic() + timeout_s
        while silent := [topic.name for topic in self._topics if not topic.subscribed]:
            if time.monotonic() > deadline:
                for name in silent:
                    if name not in optional:
                        raise self.silent(name, timeout_s)
                return silent
            time.sleep(_POLL_S)
        return []

    def silent(self, topic: str, seconds: float) -> QuantVLAError:
        """Return the error for a topic that was silent for some seconds."""
        return QuantVLAError(nothing_arrived(self.node, topic, self._types[topic], seconds))

    def _receiver(self, topic: str) -> Callable[[str, bytes, int | None], None]:
        def receive(msgtype: str, data: bytes, number: int | None) -> None:
            self._arrivals.put(Arrival(topic, msgtype, bytes(data), time.monotonic(), number))

        return receive

    def published(self, topic: str) -> bool:
        """Whether anybody publishes a topic (full name)."""
        return self.node.count_publishers(topic) > 0

    def taken(self, topic: str) -> bool:
        """Whether anybody else subscribes to a topic (full name)."""
        return self.node.count_subscribers(topic) > 0

    def served(self, action: str) -> bool:
        """Whether an action (full name) has a server."""
        return self.node.count_services(f"{action}/_action/send_goal") > 0

    def next(self, timeout_s: float) -> Arrival | None:
        """Return the next message, or None when none arrives in time."""
        try:
            return self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            return None
