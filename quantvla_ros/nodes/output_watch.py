# SPDX-License-Identifier: Apache-2.0
"""Whether another node publishes on the command topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantvla_ros.control.faults import Condition, FaultCode

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.publisher import Publisher


class OutputWatch:
    """Asks the ROS graph who publishes where the node commands.

    Not for the control thread, which reads `conflict` only: a question to the graph takes locks of
    the middleware.
    """

    def __init__(self, node: Node, publisher: Publisher) -> None:
        """Take the node and its publisher of commands."""
        self._node = node
        self._topic = publisher.topic_name
        self.conflict: Condition | None = None

    def look(self) -> None:
        """Renew `conflict`."""
        if self._node.count_publishers(self._topic) <= 1:
            self.conflict = None
            return
        own = (self._node.get_namespace().rstrip("/"), self._node.get_name())
        found = [
            (info.node_namespace.rstrip("/"), info.node_name)
            for info in self._node.get_publishers_info_by_topic(self._topic)
        ]
        if own in found:
            found.remove(own)
        names = ", ".join(sorted({f"{namespace}/{name}" for namespace, name in found}))
        self.conflict = (
            FaultCode.OUTPUT_CONFLICT,
            f"another node publishes on {self._topic}: {names or 'one without a name'}; end it",
        )
