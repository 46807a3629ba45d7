# SPDX-License-Identifier: Apache-2.0
"""Tool motion that the experts share: how far to go in one tick of 0.1 s."""

from __future__ import annotations

import numpy as np

from simulation.kinematics import Array

MAX_STEP_M = 0.045

_MIN_STEP_M = 0.004
_SLOWDOWN = 0.35
_HOVER_M, _FUNNEL_WIDTH_M, _FUNNEL_FLOOR_M = 0.12, 0.03, 0.006


def speed(distance: float) -> float:
    """Tool travel in one tick, m, by the distance that is left: proportional near the goal."""
    return min(MAX_STEP_M, _MIN_STEP_M + _SLOWDOWN * distance)


def limited(step: Array, longest: float) -> Array:
    """Return `step` (any length, m), shortened to at most `longest`."""
    shortened: Array = step * min(1.0, longest / max(float(np.linalg.norm(step)), 1e-9))
    return shortened


def turned_towards(yaw: float, wanted: float, most: float) -> float:
    """Turn of the tool, rad, that is nearest to `wanted` and at most `most` away from `yaw`."""
    return float(yaw + np.clip(wanted - yaw, -most, most))


def funnel(error: float, hover: float = _HOVER_M) -> float:
    """Height to keep above the goal, m, while it is `error` m away in the plane.

    Far away it is `hover`; it falls to zero when the tool is nearly over the goal.
    """
    outside = max(0.0, error - _FUNNEL_FLOOR_M)
    return hover * (1.0 - float(np.exp(-outside / _FUNNEL_WIDTH_M)))


def descend(here: Array, goal: Array) -> Array:
    """Return the step [3] from `here` down the funnel to `goal` (both [3], m)."""
    error = float(np.linalg.norm(goal[:2] - here[:2]))
    raised = goal + np.array([0.0, 0.0, funnel(error)])
    remaining = float(np.linalg.norm([error, here[2] - goal[2]]))
    return limited(raised - here, speed(remaining))
