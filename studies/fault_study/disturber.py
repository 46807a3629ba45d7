# SPDX-License-Identifier: Apache-2.0
"""What disturbs a running system over ROS: an intruder, altered messages, a clock that jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
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
JOIN_S = 20.0
"""Longest wait for readers to find a new publisher."""


class Disturber:
    """Disturbs until `heal`; for tests and studies, never for a robot that somebody uses."""

    def __init__(self, node: Node, gripper_topic: str) -> None:
        """Take a node that is spun in another thread, and be the controller of the gripper."""
        self._node = node
        self._group = ReentrantCallbackGroup()
        self._time = 0.0
        self._last: dict[str, Any] = {}
        self._replays: list[PeriodicThread] = []
        self._publishers: list[Any] = []
        self._clock: Any = None
        self._listen(Clock, CLOCK_TOPIC, qos.CLOCK, self._on_clock)
        for source, (kind, topic) in TOPICS.items():
            self._listen(kind, topic, qos.SENSOR, self._keeper(source))
        self._gripper_topic = gripper_topic
        self._gripper: Any = None
        self.heal()

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
        self._publishers.append(self._clock)
        deadline = time.monotonic() + JOIN_S
        while self._clock.get_subscription_count() < self._node.count_subscribers(CLOCK_TOPIC):
            if time.monotonic() > deadline:
                raise QuantVLAError(f"Nobody finds another publisher of {CLOCK_TOPIC}.")
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

    def lose_gripper(self) -> None:
        """Listen to the gripper's commands no more."""
        self._node.destroy_subscription(self._gripper)
        self._gripper = None

    def heal(self) -> None:
        """End every disturbance."""
        if self._gripper is None:
            self._gripper = self._listen(
                Float64MultiArray, self._gripper_topic, qos.COMMAND, lambda message: None
            )
        while self._replays:
            self._replays.pop().stop()
        while self._publishers:
            self._node.destroy_publisher(self._publishers.pop())

    def _listen(self, kind: Any, topic: str, profile: Any, take: Callable[[Any], None]) -> Any:
        return self._node.create_subscription(
            kind, topic, take, profile, callback_group=self._group
        )

    def _on_clock(self, message: Clock) -> None:
        self._time = seconds_of(message.clock)

    def _keeper(self, source: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            if not self._replays:  # its own messages come here too
                self._last[source] = message

        return keep

    def _on_error(self, error: Exception) -> None:
        self._node.get_logger().error(f"The disturbance ended: {error}")
