# SPDX-License-Identifier: Apache-2.0
"""A node's clocks."""

from __future__ import annotations

import time

from rclpy.node import Node


class RosClock:
    """The node's ROS clock, and the system's steady clock."""

    def __init__(self, node: Node) -> None:
        """Take the node."""
        self._clock = node.get_clock()

    def now(self) -> float:
        """The ROS clock, s."""
        return float(self._clock.now().nanoseconds) * 1e-9

    def steady(self) -> float:
        """The steady clock, s."""
        return time.monotonic()

    def sleep_until(self, steady: float) -> None:
        """Sleep until a time of the steady clock (s), not at all when it is over."""
        time.sleep(max(0.0, steady - time.monotonic()))
