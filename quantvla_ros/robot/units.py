# SPDX-License-Identifier: Apache-2.0
"""One number of a policy: its name, its unit, and the way from that unit to SI."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SiUnit = Literal["rad", "m", "rad/s", "m/s"]

_DEGREE = math.pi / 180.0
_KNOWN: dict[str, tuple[SiUnit, float]] = {
    "rad": ("rad", 1.0),
    "deg": ("rad", _DEGREE),
    "m": ("m", 1.0),
    "mm": ("m", 0.001),
    "rad/s": ("rad/s", 1.0),
    "deg/s": ("rad/s", _DEGREE),
    "m/s": ("m/s", 1.0),
}
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@dataclass(frozen=True)
class Entry:
    """One state or action of a policy; its value in SI is ``scale * value + offset``.

    Attributes:
        name: the policy's word for it; a robot's own joint name may differ (robot.yaml).
        unit: what the policy counts in: rad, deg, m, mm, one of them per second, or a range such as
            ``-100..100`` or ``0..1``, whose ends the map takes to the ends of the joint's way.
        group: of entries that move together, such as ``arm`` or ``left_gripper``.
        si: unit of the mapped value: rad, m, rad/s or m/s.
        scale: SI per unit, not zero; negative where the policy counts the other way round.
        offset: SI value of the policy's zero.
    """

    name: str
    unit: str
    group: str
    si: SiUnit
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a map that cannot be inverted or contradicts the unit."""
        if not (math.isfinite(self.scale) and math.isfinite(self.offset) and self.scale):
            raise ValueError(f"'{self.name}' has a map to SI that is not finite or has scale zero")
        if self.unit not in _KNOWN:
            _range(self.name, self.unit)
            return
        si, size = _KNOWN[self.unit]
        if self.si != si or not math.isclose(abs(self.scale), size, rel_tol=1e-9):
            raise ValueError(
                f"'{self.name}' is in {self.unit}, which is {size:.10g} {si}, and its map says "
                f"{self.scale:.10g} {self.si}"
            )

    @property
    def map(self) -> tuple[str, str, float, float]:
        """All that says what a value means; equal for entries that may be added."""
        return self.unit, self.si, self.scale, self.offset

    def shown(self, value: float) -> str:
        """A value in the policy's unit as a user reads it, such as ``-31.50 deg``."""
        of = " of " if self.unit not in _KNOWN else " "
        return f"{value:.2f}{of}{self.unit}"


class Units(NamedTuple):
    """The maps of n entries at once.

    Attributes:
        scale: float64 [n].
        offset: the same.
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Units:
        """Of entries in this order."""
        return cls(np.array([e.scale for e in entries]), np.array([e.offset for e in entries]))

    def to_si(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [..., n] in SI, float64; exact where the policy's unit is SI."""
        return np.asarray(values * self.scale + self.offset)

    def from_si(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [..., n] in the entries' own units, float64."""
        return np.asarray((values - self.offset) / self.scale)


def entry(name: str, unit: str, group: str) -> Entry:
    """An entry in a unit whose size is known, zero at the joint's own zero.

    Raises:
        ValueError: the unit is a range: only the robot's description knows where it ends.
    """
    if unit not in _KNOWN:
        _range(name, unit)
        raise ValueError(f"'{name}' is in {unit}; say which SI values its ends are")
    si, size = _KNOWN[unit]
    return Entry(name, unit, group, si, size)


def entries(names: Sequence[str], unit: str, group: str) -> tuple[Entry, ...]:
    """Several entries in one unit whose size is known (see `entry`)."""
    return tuple(entry(name, unit, group) for name in names)


def range_entry(name: str, unit: str, group: str, si: SiUnit, ends: tuple[float, float]) -> Entry:
    """An entry in a range such as ``-100..100``, whose ends are the SI values `ends`."""
    low, high = _range(name, unit)
    scale = (ends[1] - ends[0]) / (high - low)
    return Entry(name, unit, group, si, scale, ends[0] - scale * low)


def _range(name: str, unit: str) -> tuple[float, float]:
    found = _RANGE.fullmatch(unit)
    if found is None or float(found[1]) == float(found[2]):
        raise ValueError(
            f"'{name}' has unit '{unit}'; known are {', '.join(_KNOWN)} and a range such as "
            "-100..100"
        )
    return float(found[1]), float(found[2])
