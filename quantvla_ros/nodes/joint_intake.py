# SPDX-License-Identifier: Apache-2.0
"""Joint states from serialized messages to the buffer: which of a batch are decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sensor_msgs.msg import JointState

from quantvla_ros.nodes.joint_publishers import JointPublishers
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import JointSample
from quantvla_ros.serving.stamps import seconds_of


class Taken(NamedTuple):
    """A message as rclpy gives it.

    Attributes:
        data: serialized, or decoded where the subscription is not raw.
        number: that its publisher gave it; None where the middleware or rclpy (Humble) tells none.
    """

    data: Any
    number: int | None


class JointIntake:
    """Of one publisher's messages with all joints only the newest counts; else each one does."""

    def __init__(
        self,
        publishers: JointPublishers,
        decoded: Callable[[bytes], JointState | None],
        now: Callable[[], float],
    ) -> None:
        """Take the parts.

        Args:
            publishers: of the joint states.
            decoded: a message, or None when its bytes are damaged.
            now: ROS clock, s.
        """
        self._publishers = publishers
        self._decoded = decoded
        self._now = now
        self._number = -1

    def take(self, batch: Sequence[Taken], buffer: InputBuffer) -> list[JointSample]:
        """Put what has come, oldest first, into the buffer; return the samples it completes."""
        self._look_for_another_publisher(batch)
        newest = self._decoded(batch[-1].data)
        whole = newest is not None and set(buffer.joints) <= set(newest.name)
        earlier: Sequence[Taken] = () if whole and not self._publishers.several else batch[:-1]
        messages = [(self._decoded(taken.data), taken.number) for taken in earlier]
        messages.append((newest, batch[-1].number))
        samples = [self._add(m, number, buffer) for m, number in messages if m is not None]
        return [sample for sample in samples if sample is not None]

    def _look_for_another_publisher(self, batch: Sequence[Taken]) -> None:
        """A number that falls is another publisher's: know it before its message counts."""
        for taken in batch:
            if taken.number is None:
                continue
            if taken.number <= self._number and not self._publishers.several:
                self._publishers.look()
            self._number = taken.number

    def _add(
        self, message: JointState, number: int | None, buffer: InputBuffer
    ) -> JointSample | None:
        return buffer.add_joint_state(
            seconds_of(message.header.stamp),
            message.name,
            message.position,
            message.velocity,
            self._now(),
            number,
        )
