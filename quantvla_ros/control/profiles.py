# SPDX-License-Identifier: Apache-2.0
"""Time-optimal, jerk-limited motion of one joint by Ruckig, and an exact check of such motions.

Source: L. Berscheid and T. Kroeger, Jerk-limited Real-time Trajectory Generation with Arbitrary
Target States, RSS 2021 (the open part of the library: no position limits, hence our check).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ruckig import InputParameter, Result, Ruckig, RuckigError, Trajectory

from quantvla_ros.control.plan import Piece, Track


@dataclass(frozen=True)
class Bounds:
    """What one joint may do: position range, largest velocity, acceleration and jerk."""

    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float


def reach_track(
    state: tuple[float, float, float],
    position: float,
    velocity: float,
    bounds: Bounds,
    at_least: float,
) -> Track | None:
    """Motion to ``position`` at ``velocity`` in ``at_least`` seconds; None if none is found."""
    given = InputParameter(1)
    given.current_position, given.current_velocity, given.current_acceleration = (
        [value] for value in state
    )
    given.target_position = [position]
    given.target_velocity = [velocity]
    given.max_velocity = [bounds.velocity]
    given.max_acceleration = [bounds.acceleration]
    given.max_jerk = [bounds.jerk]
    given.minimum_duration = at_least
    trajectory = Trajectory(1)
    try:
        result = Ruckig(1).calculate(given, trajectory)
    except RuckigError:  # a start or a target that it does not accept
        return None
    if result not in (Result.Working, Result.Finished):
        return None
    profile = trajectory.profiles[0][0]
    return [*_constant_jerk(profile.brake), *_constant_jerk(profile)]


def stoppable_velocity(distance: float, bounds: Bounds) -> float:
    """Largest velocity that can be braked to rest, from zero acceleration, within ``distance``."""
    if distance <= 0.0:
        return 0.0
    a, j = bounds.acceleration, bounds.jerk
    without_plateau = float((distance**2 * j) ** (1 / 3))
    if without_plateau <= a * a / j:
        return min(without_plateau, bounds.velocity)
    half = a / (2 * j)
    return min(a * (math.sqrt(half * half + 2 * distance / a) - half), bounds.velocity)


def track_is_within(track: Track, bounds: Bounds) -> bool:
    """Whether cubic pieces keep position, velocity and acceleration in bounds at every instant."""
    for piece in track:
        t, (p, v, half_a, sixth_j, _, _) = piece.duration, piece.coefficients
        a, j = 2 * half_a, 6 * sixth_j
        _, end_v, end_a = piece.end()
        speed = max(abs(v), abs(end_v))
        if a * j < 0 and -a / j < t:
            speed = max(speed, abs(v - a * a / (2 * j)))
        if speed > bounds.velocity or max(abs(a), abs(end_a)) > bounds.acceleration:
            return False
        for u in (0.0, t, *_turns(v, a, j)):
            if 0 <= u <= t:
                at = p + u * (v + u * (a / 2 + u * j / 6))
                if not bounds.lower <= at <= bounds.upper:
                    return False
    return True


def _turns(v: float, a: float, j: float) -> tuple[float, ...]:
    """Times at which v + a t + j t^2 / 2 is zero."""
    if j == 0.0:
        return (-v / a,) if a != 0.0 else ()
    inside = a * a - 2 * j * v
    if inside < 0:
        return ()
    root = math.sqrt(inside)
    return (-a - root) / j, (-a + root) / j


def _constant_jerk(phases: Any) -> Track:
    """Pieces of a Ruckig profile; phases of no length are left out."""
    return [
        Piece(t, (p, v, a / 2, j / 6, 0.0, 0.0))
        for t, p, v, a, j in zip(phases.t, phases.p, phases.v, phases.a, phases.j, strict=False)
        if t > 0
    ]
