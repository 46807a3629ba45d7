# SPDX-License-Identifier: Apache-2.0
"""Stamps in seconds, and what makes a message unusable before anything of it is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_CONTENT = 12
"""First byte of a serialized message after CDR's four bytes and the stamp's eight."""

TROUBLES: Mapping[str, str] = {
    "zero_stamp": "its stamps are zero",
    "future_stamp": "its stamps lie in the future of the ROS clock",
    "repeated_stamp": "its stamps repeat",
    "stamp_went_back": "its stamps go back",
    "frozen": "its picture does not change",
    "wrong_width": "it has not one position for each name",
    "named_twice": "it names a joint twice",
    "jumped": "its positions jump further than the joints can move",
    "not_finite": "a position is not a finite number",
    "damaged": "its bytes are no message of its type",
}
"""Reasons, as they are counted, in words."""


class Stamp(Protocol):
    """builtin_interfaces' Time or Duration, of rclpy or of our own decoder."""

    sec: int
    nanosec: int


def seconds_of(stamp: Stamp) -> float:
    """A time or span in s (to about 0.3 us for today's wall-clock times)."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def unfit_stamp(stamp: float, newest: float, now: float, future_s: float) -> str:
    """Return why a message with this stamp is not used, a key of `TROUBLES`; empty when it is.

    Args:
        stamp: of the message, s.
        newest: stamp of the last message that was used; minus infinity for none.
        now: ROS clock, s.
        future_s: how far a stamp may be ahead of the ROS clock.
    """
    if stamp == 0.0:
        return "zero_stamp"
    if stamp > now + future_s:
        return "future_stamp"
    if newest > now + future_s:  # the ROS clock was set back: what came before is void
        return ""
    if stamp == newest:
        return "repeated_stamp"
    return "stamp_went_back" if stamp < newest else ""


def same_content(first: bytes, second: bytes) -> bool:
    """Whether two serialized messages are equal but for their stamps."""
    return len(first) == len(second) and first[_CONTENT:] == second[_CONTENT:]
