# SPDX-License-Identifier: Apache-2.0
"""Who publishes the joint states, by the ROS graph."""

from __future__ import annotations

from rclpy.node import Node

from quantvla_ros.nodes.graph_names import publisher_names


class JointPublishers:
    """Asks the ROS graph; not for the control thread, which reads the attributes only.

    Attributes:
        several: whether there is more than one; arm and gripper may have drivers of their own.
        text: names them when there are several, to be put behind a sentence; else empty.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Take the node that asks, and the topic's full name."""
        self._node = node
        self._topic = topic
        self.several = False
        self.text = ""

    def look(self) -> None:
        """Renew both."""
        self.several = self._node.count_publishers(self._topic) > 1
        if not self.several:
            self.text = ""
            return
        names = ", ".join(sorted(publisher_names(self._node, self._topic)))
        self.text = f" (publishers of {self._topic}: {names})"
