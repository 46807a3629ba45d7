# SPDX-License-Identifier: Apache-2.0
"""Ages of the inputs: a source that falls silent is a named fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from quantvla_ros.control.faults import Condition, FaultCode


class Source(NamedTuple):
    """What is known of one input; made anew at every tick, so a tuple.

    Attributes:
        code: its fault when it falls silent.
        name: as the user knows it, such as "camera 'wrist'".
        newest: stamp of the newest usable message (s); None when none has ever come.
        limit: oldest age allowed (s).
        trouble: why later messages were not used, empty when they were.
    """

    code: FaultCode
    name: str
    newest: float | None
    limit: float
    trouble: str = ""


def stale(sources: Iterable[Source], now: float) -> list[Condition]:
    """Each source that is too old at ``now`` (s); empty when all are fresh.

    The sentences hold no figure that changes while nothing else does.
    """
    found = []
    for source in sources:
        # A stamp far in the future is as good as none: the clock was set back since.
        if source.newest is not None and abs(now - source.newest) <= source.limit:
            continue
        since = "has come yet" if source.newest is None else f"for more than {source.limit:g} s"
        trouble = f": {source.trouble}" if source.trouble else ""
        found.append((source.code, f"no usable message of {source.name} {since}{trouble}"))
    return found
