# SPDX-License-Identifier: Apache-2.0
"""What disturbs a running system over ROS: an intruder, altered messages, a clock that jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import qos
from quantvla_ros.nodes.clock_sources import CLOCK_TOPIC
from quantvla_ros.nodes.conversion import seconds_to_stamp
from quantvla_ros.serving.periodic import PeriodicThread
from quantvla_ros.serving.stamps import seconds_of

if TYPE_CHECKING:
    from rclpy.node import Node

TOPICS: dict[str, tuple[type[Image] | type[JointState], str]] = {
    "wrist": (Image, "/wrist/image_raw"),
    "joint_states": (JointState, "/joint_states"),
}
"""Sources whose last message can be published again, and where they publish."""

CLOCK_JUMP_S, _CLOCK_PERIOD_S = 0.02, 0.001
_MISREPORTS = 3
JOIN_S = 20.0
"""Longest wait for readers to find a new publisher."""


class Disturber:
    """Disturbs until `heal`; for tests and studies, never for a robot that somebody uses."""

    def __init__(self, node: Node) -> None:
        """Take a node that is spun in another thread."""
        self._node = node
        self._group = ReentrantCallbackGroup()
        self._time = 0.0
        self._last: dict[str, Any] = {}
        self._replays: list[PeriodicThread] = []
        self._publishers: list[Any] = []
        self._clock: Any = None
        self._joints: Any = None
        self._listen(Clock, CLOCK_TOPIC, qos.CLOCK, self._on_clock)
        for source, (kind, topic) in TOPICS.items():
            self._listen(kind, topic, qos.SENSOR, self._keeper(source))

    @property
    def time(self) -> float:
        """Newest time of the simulation, s."""
        return self._time

    def intrude(self) -> None:
        """Be another publisher on the command topic; nothing is published."""
        self._publishers.append(
            self._node.create_publisher(JointTrajectory, "/joint_trajectory", qos.COMMAND)
        )

    def replay(self, source: str, offset_s: float, period_s: float) -> None:
        """Publish the last message of a source again and again, in its place or beside it.

        Args:
            source: a key of `TOPICS`.
            offset_s: of each stamp from the time of the simulation.
            period_s: between messages.
        """
        kind, topic = TOPICS[source]
        message = self._last[source]
        publisher = self._node.create_publisher(kind, topic, qos.SENSOR)
        self._publishers.append(publisher)

        def publish(deadline: float) -> None:
            message.header.stamp = seconds_to_stamp(self._time + offset_s)
            publisher.publish(message)

        thread = PeriodicThread(f"replay {source}", period_s, publish, self._on_error)
        self._replays.append(thread)
        thread.start()

    def join_clock(self) -> None:
        """Be another publisher of the clock, and wait until it is known; arming is refused then."""
        self._clock = self._node.create_publisher(Clock, CLOCK_TOPIC, qos.CLOCK)
        self._join(self._clock)

    def join_joint_states(self) -> None:
        """Be another publisher of the joint states, silent as yet, and wait until it is known."""
        kind, topic = TOPICS["joint_states"]
        self._joints = self._node.create_publisher(kind, topic, qos.SENSOR)
        self._join(self._joints)

    def _join(self, publisher: Any) -> None:
        self._publishers.append(publisher)
        topic, deadline = publisher.topic_name, time.monotonic() + JOIN_S
        while publisher.get_subscription_count() < self._node.count_subscribers(topic):
            if time.monotonic() > deadline:
                raise QuantVLAError(f"Nobody finds another publisher of {topic}.")
            time.sleep(_CLOCK_PERIOD_S)

    def misreport(self, offset: float) -> None:
        """After `join_joint_states`: publish for a moment joint states wrong by `offset`."""
        last = self._last["joint_states"]
        positions = [position + offset for position in last.position]
        wrong = JointState(name=last.name, position=positions, velocity=last.velocity)
        for _ in range(_MISREPORTS):  # one alone may be lost
            wrong.header.stamp = seconds_to_stamp(self._time)
            self._joints.publish(wrong)
            time.sleep(_CLOCK_PERIOD_S)

    def jump_clock(self, seconds: float) -> None:
        """Publish a wrong time for a moment, after `join_clock`; the next right one jumps back.

        A single message could be followed by the simulation's own before anybody reads it: readers
        of `/clock` keep the newest alone.
        """
        wrong = Clock(clock=seconds_to_stamp(self._time + seconds))
        end = time.monotonic() + CLOCK_JUMP_S
        while time.monotonic() < end:
            self._clock.publish(wrong)
            time.sleep(_CLOCK_PERIOD_S)

    def heal(self) -> None:
        """End every disturbance."""
        while self._replays:
            self._replays.pop().stop()
        while self._publishers:
            self._node.destroy_publisher(self._publishers.pop())

    def _listen(self, kind: Any, topic: str, profile: Any, take: Callable[[Any], None]) -> None:
        self._node.create_subscription(kind, topic, take, profile, callback_group=self._group)

    def _on_clock(self, message: Clock) -> None:
        self._time = seconds_of(message.clock)

    def _keeper(self, source: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            if not self._replays:  # its own messages come here too
                self._last[source] = message

        return keep

    def _on_error(self, error: Exception) -> None:
        self._node.get_logger().error(f"The disturbance ended: {error}")
