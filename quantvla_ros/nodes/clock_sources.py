# SPDX-License-Identifier: Apache-2.0
"""Who publishes the ROS clock of a simulation: two at once are no clock."""

from __future__ import annotations

from rclpy.node import Node

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.nodes.graph_names import publisher_names

CLOCK_TOPIC = "/clock"


class ClockSources:
    """Asks the ROS graph; not for the control thread, which reads `conflict` only.

    Attributes:
        simulated: whether the ROS clock comes from ``/clock``.
        conflict: that two nodes publish it, with their names; None where one does.
    """

    def __init__(self, node: Node, simulated: bool) -> None:
        """Take the node whose clock it is."""
        self._node = node
        self.simulated = simulated
        self.conflict: Condition | None = None

    def look(self) -> None:
        """Renew `conflict`."""
        if not self.simulated or self._node.count_publishers(CLOCK_TOPIC) < 2:
            self.conflict = None
            return
        names = sorted(publisher_names(self._node, CLOCK_TOPIC))
        self.conflict = (
            FaultCode.CLOCK_JUMP,
            f"{len(names)} publishers of {CLOCK_TOPIC}, so that the time goes to and fro: "
            f"{', '.join(names)}; end all but one, or give each simulation a ROS domain of its own",
        )
