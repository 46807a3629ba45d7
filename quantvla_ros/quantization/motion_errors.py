# SPDX-License-Identifier: Apache-2.0
"""How far two policies' motions lie apart, group by group and in SI.

A group's motion is where its joints are or, of a tip, the way it has gone since the chunk's first
step. Angles and lengths are never mixed: a group with both is judged in two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.robot.action_space import ActionSpace

Array = NDArray[np.float64]

LARGEST_SHARE = 2.0
"""Of a sample's error in the float policy's own spread; so far apart are two decisions."""


@dataclass(frozen=True)
class MotionPart:
    """The angles or the lengths of a group that is no gripper.

    Attributes:
        name: of the group; where it has angles and lengths, with which of them.
        unit: rad or m.
        columns: of the chunk.
        step_s: None where the chunk holds positions; else seconds that a column's value acts in
            one step, 1 where it is already the way of a step.
    """

    name: str
    unit: Literal["rad", "m"]
    columns: tuple[int, ...]
    step_s: float | None

    def positions(self, chunks: Array) -> Array:
        """Positions [..., horizon, columns] of chunks [..., horizon, actions], rad or m."""
        values = chunks[..., self.columns]
        return values if self.step_s is None else np.cumsum(values * self.step_s, axis=-2)


def motion_parts(action: ActionSpace, dt: float) -> list[MotionPart]:
    """What of a chunk moves an arm or a tip, in the order of the groups."""
    found = []
    units: tuple[Literal["rad", "m"], ...] = ("rad", "m")
    for group in action.groups:
        if group.type == "gripper":
            continue
        members = [(place, action.entries[place]) for place in action.columns(group.name)]
        kinds = {e.si.removesuffix("/s") for _, e in members}
        for unit in units:
            some = [(place, e) for place, e in members if e.si.removesuffix("/s") == unit]
            if not some:
                continue
            word = {"rad": "angles", "m": "lengths"}[unit]
            step = None
            if group.type == "tip":
                step = dt if some[0][1].si.endswith("/s") else 1.0
            name = group.name if len(kinds) == 1 else f"{group.name} {word}"
            found.append(MotionPart(name, unit, tuple(place for place, _ in some), step))
    return found


def jerk(positions: Array, dt: float) -> Array:
    """Mean squared third derivative, [N] (rad/s^3)^2 or (m/s^3)^2.

    Args:
        positions: [N, horizon, joints], rad or m.
        dt: step, s.
    """
    third = np.diff(positions, n=3, axis=1) / dt**3
    return np.asarray(np.sum(third**2, axis=-1).mean(axis=1))


def jerk_ratio(reference: Array, quantized: Array, dt: float, floor: float) -> float:
    """Geometric mean over the samples of the jerk of `quantized` over that of `reference`.

    Args:
        reference: positions [N, horizon, joints], rad or m.
        quantized: the same.
        dt: step, s.
        floor: root mean square that smoother chunks count as.
    """
    after, before = (np.maximum(jerk(p, dt), floor**2) for p in (quantized, reference))
    return float(np.exp(np.log(after / before).mean()))


def mean_errors(a: Array, b: Array) -> Array:
    """Mean difference [N] between chunks [N, horizon, joints]."""
    return np.asarray(np.abs(a - b).mean(axis=(1, 2)))


def largest_errors(a: Array, b: Array) -> Array:
    """Largest difference [N] between chunks [N, horizon, joints]."""
    return np.asarray(np.abs(a - b).max(axis=(1, 2)))


def own_spread(draws: Array) -> Array:
    """Mean difference [N] of two chunks of the float policy, from `draws` [draws, N, ...]."""
    return np.asarray(np.mean([mean_errors(*pair) for pair in combinations(draws, 2)], axis=0))


def error_share(errors: Array, spread: Array, floor: float) -> float:
    """Error of a typical sample as a share of what another noise would change.

    A sample on which the quantized policy decides otherwise counts as `LARGEST_SHARE`, however far
    apart the two decisions lie.

    Args:
        errors: mean difference [N] between the chunks of float and quantized policy.
        spread: `own_spread` [N], in the same unit.
        floor: a smaller spread counts as this one.
    """
    return float(np.minimum(errors / np.maximum(spread, floor), LARGEST_SHARE).mean())


def excess(distance: Callable[[Array, Array], Array], draws: Array, quantized: Array) -> Array:
    """By how much [N] the quantized chunks are further from the first draw than any two draws."""
    spread = np.zeros(len(quantized))
    for draw, other in combinations(draws, 2):
        spread = np.maximum(spread, distance(draw, other))
    return np.maximum(distance(draws[0], quantized) - spread, 0.0)
