# SPDX-License-Identifier: Apache-2.0
"""Names of the nodes that the ROS graph shows behind a topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node


def publisher_names(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that publish on a topic, one for each publisher.

    Takes locks of the middleware: nothing for the control thread.
    """
    return names_of(node.get_publishers_info_by_topic(topic))


def subscription_names(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that listen to a topic, as `publisher_names`."""
    return names_of(node.get_subscriptions_info_by_topic(topic))


def names_of(infos: Iterable[Any]) -> list[str]:
    """Full names of the nodes of endpoints, as rclpy's TopicEndpointInfo describes them."""
    return [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos]
