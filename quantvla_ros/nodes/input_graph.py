# SPDX-License-Identifier: Apache-2.0
"""Who publishes the policy node's inputs: reads what fits and reports the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from rclpy.node import Node

from quantvla_ros.nodes.offered_topic import OfferedTopic
from quantvla_ros.nodes.offers import TEXT, Offer, misfit, nothing_arrived, offers

Transport = Literal["raw", "compressed"]
IMAGE_TYPES: dict[Transport, str] = {
    "raw": "sensor_msgs/msg/Image",
    "compressed": "sensor_msgs/msg/CompressedImage",
}
LOOK_S = 0.25


def camera_topic(camera: str, transport: Transport, base: str | None = None) -> str:
    """Name of a camera's topic as image_transport names it; of pictures that lie at ``base``."""
    raw = base or f"{camera}/image_raw"
    return raw + ("/compressed" if transport == "compressed" else "")


class InputGraph:
    """Asks the ROS graph, at most every `LOOK_S`; nothing for the control thread.

    Attributes:
        misfits: by source, who publishes something there that cannot be read.
    """

    def __init__(self, node: Node) -> None:
        """Take the node that reads."""
        self._node = node
        self._texts: list[OfferedTopic] = []
        self._sources: dict[str, tuple[str, str]] = {}
        self._next_look_s = 0.0
        self.misfits: dict[str, str] = {}

    def read_text(self, source: str, take: Callable[[bytes], None]) -> None:
        """Subscribe to a text that is kept for those who come later, or only sent."""
        usual = Offer(TEXT, latched=True, reliable=True)
        topic = OfferedTopic(self._node, source, (TEXT,), lambda _, data, __: take(data), 1, usual)
        self._texts.append(topic)
        self._sources[source] = (topic.name, TEXT)

    def expect(self, source: str, topic: str, msgtype: str) -> None:
        """Look after a topic (full name) that is read with the type "package/msg/Name"."""
        self._sources[source] = (topic, msgtype)

    def look(self) -> None:
        """Read texts as they are offered by now, and renew `misfits`; any thread may call it."""
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + LOOK_S
        for read in self._texts:
            read.look()
        for source, (topic, msgtype) in list(self._sources.items()):
            if text := misfit(self._node, topic, (msgtype,)):
                self.misfits[source] = text
            else:
                self.misfits.pop(source, None)

    def topic(self, source: str) -> str:
        """Full name of a source's topic."""
        return self._sources[source][0]

    def nothing_arrived(self, source: str, seconds: float) -> str:
        """Report a source's silence of some seconds, what the graph offers, and the remedy."""
        topic, msgtype = self._sources[source]
        way_out = ""
        if msgtype in IMAGE_TYPES.values():
            offered = {offer.msgtype for offer in offers(self._node, topic)}
            for transport, other in IMAGE_TYPES.items():
                if other in offered:
                    name = camera_topic(source, transport)
                    way_out = f"; set image_transport to '{transport}' and remap {name} to {topic}"
        return nothing_arrived(self._node, topic, (msgtype,), seconds, way_out)
