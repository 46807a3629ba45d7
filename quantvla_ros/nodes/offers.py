# SPDX-License-Identifier: Apache-2.0
"""What the publishers of a topic offer, and why nothing arrives from them; for node and recorder.

Everything here asks the ROS graph, which takes locks of the middleware: nothing for the control
thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from quantvla_ros.nodes.graph_names import names_of

TEXT = "std_msgs/msg/String"
"""Texts are sent once and kept for those who come later; all else comes again and again."""


class Offer(NamedTuple):
    """How a publisher sends.

    Attributes:
        msgtype: as "package/msg/Name".
        latched: whether it keeps its last messages for those who come later (transient local).
        reliable: whether it sends a lost message again.
    """

    msgtype: str
    latched: bool
    reliable: bool

    def profile(self, depth: int) -> QoSProfile:
        """The profile of a subscription that takes all of it."""
        return QoSProfile(
            depth=depth,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE
            ),
            reliability=(
                ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT
            ),
        )


def offers(node: Node, topic: str) -> list[Offer]:
    """Return what each publisher of a topic (full name) offers."""
    return [
        Offer(
            info.topic_type,
            info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
        )
        for info in node.get_publishers_info_by_topic(topic)
    ]


def misfit(node: Node, topic: str, types: Sequence[str]) -> str:
    """Say who publishes what on a topic of which nothing can be read; empty where that is not so.

    Args:
        node: the one that asks.
        topic: full name.
        types: that can be read, as "package/msg/Name".
    """
    infos = node.get_publishers_info_by_topic(topic)
    if not infos or any(info.topic_type in types for info in infos):
        return ""
    found = sorted({info.topic_type for info in infos})
    return f"{_who(infos)} {' and '.join(found)} there, and needed is {' or '.join(types)}"


def nothing_arrived(
    node: Node, topic: str, types: Sequence[str], seconds: float, way_out: str = ""
) -> str:
    """Return the sentence of a topic's silence, with what the graph shows.

    The other arguments are those of `misfit`; ``way_out`` is for another type that is there.
    """
    text = f"Nothing arrived on {topic} in {seconds:g} s: "
    if wrong := misfit(node, topic, types):
        return f"{text}{wrong}{way_out}."
    infos = [i for i in node.get_publishers_info_by_topic(topic) if i.topic_type in types]
    if not infos:
        return (
            f"{text}it has no publisher; is its driver running, under this name and with the same "
            "ROS_DOMAIN_ID?"
        )
    if TEXT in types and not any(offer.latched for offer in offers(node, topic)):
        return (
            f"{text}{_who(infos)} it and keeps nothing for those who come later (volatile); "
            "publish it again, or with durability transient local."
        )
    return f"{text}{_who(infos)} it and has sent nothing; does its device work?"


def _who(infos: Sequence[object]) -> str:
    """The publishers and their verb."""
    names = sorted(set(names_of(infos)))
    return f"{' and '.join(names)} {'publishes' if len(names) == 1 else 'publish'}"
