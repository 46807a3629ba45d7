# SPDX-License-Identifier: Apache-2.0
"""What was heard on a robot's topics in some seconds."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calib_tools.buffer.messages import RawMessage, UndecodableError, header_stamp_ns
from calib_tools.buffer.sources import STRING_TYPE

if TYPE_CHECKING:
    from quantvla_ros.nodes.recorder import TopicTap

_WAIT_S = 0.05


@dataclass
class Heard:
    """One topic.

    Attributes:
        last: its newest message; None: nothing came.
        stamps: of all messages in s, in order, each once; none of texts.
        behind: how far the newest stamp lay behind this computer's clock when it came, s.
    """

    last: RawMessage | None = None
    stamps: list[float] = field(default_factory=list)
    behind: float = 0.0

    def add(self, message: RawMessage) -> None:
        """Take a message."""
        self.last = message
        if message.msgtype == STRING_TYPE:
            return
        try:
            stamp = header_stamp_ns(message.data) * 1e-9
        except UndecodableError:
            return
        self.behind = time.time() - stamp
        if not self.stamps or stamp != self.stamps[-1]:
            self.stamps.append(stamp)

    @property
    def rate(self) -> float:
        """Messages a second by their stamps; 0 where there are too few."""
        if len(self.stamps) < 2:
            return 0.0
        span = self.stamps[-1] - self.stamps[0]
        return (len(self.stamps) - 1) / span if span > 0 else 0.0

    @property
    def largest_gap(self) -> float:
        """Between two stamps, s."""
        return max((b - a for a, b in itertools.pairwise(self.stamps)), default=0.0)


def listen(tap: TopicTap, topics: list[str], seconds: float) -> dict[str, Heard]:
    """Hear topics that the tap reads for some seconds."""
    heard = {topic: Heard() for topic in topics}
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        arrival = tap.next(min(_WAIT_S, left))
        if arrival is not None:
            heard[arrival.topic].add(RawMessage(arrival.topic, arrival.msgtype, arrival.data))
    return heard
