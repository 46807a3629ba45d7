# SPDX-License-Identifier: Apache-2.0
"""Serialized messages of live topics, in their order of arrival, for the calibration buffer."""

from __future__ import annotations

import importlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from quantvla_ros.errors import QuantVLAError

DEPTH = 50  # a recorder may lag behind for a moment; it must not lose what a policy saw
_POLL_S = 0.1


@dataclass(frozen=True)
class Arrival:
    """One message: full topic name, type as "package/msg/Name", CDR bytes, steady time in s."""

    topic: str
    msgtype: str
    data: bytes
    steady_s: float


def message_class(msgtype: str) -> Any:
    """Return the Python class of "package/msg/Name".

    Raises:
        QuantVLAError: the package is not installed.
    """
    package, _, name = msgtype.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise QuantVLAError(
            f"The message type '{msgtype}' is not installed; install the ROS package '{package}'."
        ) from error


class TopicTap:
    """Subscribes to topics without decoding them; use it as a context manager.

    It has a ROS context of its own, takes over no signals, and runs its callbacks in a thread.
    Images and joint states are read best effort, which fits every publisher. A topic whose
    publisher keeps its last message (transient local) is read so that this message arrives too.
    """

    def __init__(self, topics: Mapping[str, tuple[str, ...]], name: str = "recorder") -> None:
        """Remember what to read.

        Args:
            topics: full topic name -> message types that it may carry.
            name: of the ROS node.
        """
        self._topics = dict(topics)
        self._name = name
        self._stopping = threading.Event()
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def __enter__(self) -> TopicTap:
        """Start the node."""
        self._context = Context()
        self._context.init()
        self.node = Node(self._name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="executor", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the thread, the executor, the node and the context, in this order."""
        self._stopping.set()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        # Executor.spin would be ended by Executor.shutdown, which takes away what a callback that
        # is under way still needs.
        while not self._stopping.is_set():
            self._executor.spin_once(timeout_sec=_POLL_S)

    def subscribe(self, timeout_s: float) -> None:
        """Wait until every topic has a publisher, and subscribe to it.

        Raises:
            QuantVLAError: a topic has no publisher within the time (names the first and the
                seconds), or carries another type.
        """
        deadline = time.monotonic() + timeout_s
        missing = dict(self._topics)
        while missing:
            for topic in list(missing):
                publishers = self.node.get_publishers_info_by_topic(topic)
                if publishers:
                    self._subscribe(topic, missing.pop(topic), publishers)
            if missing and time.monotonic() > deadline:
                raise silent_topic(next(iter(missing)), timeout_s, "it has no publisher")
            if missing:
                time.sleep(_POLL_S)

    def _subscribe(self, topic: str, types: tuple[str, ...], publishers: list[Any]) -> None:
        there = publishers[0].topic_type
        if there not in types:
            raise QuantVLAError(
                f"The topic '{topic}' carries {there}; needed is {' or '.join(types)}."
            )
        latched = all(
            p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers
        )
        qos = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
            qos.reliability = ReliabilityPolicy.RELIABLE
        self.node.create_subscription(
            message_class(there), topic, self._receiver(topic, there), qos, raw=True
        )

    def _receiver(self, topic: str, msgtype: str) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            self._arrivals.put(Arrival(topic, msgtype, bytes(data), time.monotonic()))

        return receive

    def next(self, timeout_s: float) -> Arrival | None:
        """Return the next message, or None when none arrives in time."""
        try:
            return self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            return None


def silent_topic(topic: str, seconds: float, reason: str = "") -> QuantVLAError:
    """Return the error for a topic on which nothing arrives."""
    detail = f" ({reason})" if reason else ""
    return QuantVLAError(
        f"Nothing arrived on '{topic}' for {seconds:.0f} s{detail}; is its driver running, with "
        "the same ROS_DOMAIN_ID?"
    )
