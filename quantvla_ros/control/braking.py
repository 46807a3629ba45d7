# SPDX-License-Identifier: Apache-2.0
"""The fastest jerk-limited stop of n joints, in closed form.

It is the solution that Ruckig's velocity interface finds (a test compares the two), written out
for all joints at once, because every tick needs it and it cannot fail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.plan import Piece, Track


@dataclass(frozen=True)
class Rates:
    """Largest velocity, acceleration and jerk, each [n]."""

    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray

    def scaled(self, share: float) -> Rates:
        """A share of each."""
        return Rates(share * self.velocity, share * self.acceleration, share * self.jerk)


class Braking:
    """Three phases of constant jerk from state [3, n] to zero velocity and acceleration.

    Attributes:
        durations: s [n, 3].
        coefficients: polynomial of each phase [n, 3, 6].
        rest: where each joint stops [n].
    """

    def __init__(self, state: FloatArray, rates: Rates) -> None:
        """Solve for all joints."""
        p, v, a = state
        j, most = rates.jerk, rates.acceleration
        # The velocity left if the acceleration went to zero at once says which way to push.
        push = -np.sign(v + a * np.abs(a) / (2 * j))
        push = np.where(push == 0, np.where(a > 0, -1.0, 1.0), push)
        needed, along = -v * push, a * push
        peak = np.minimum(np.sqrt(np.maximum(j * needed + along**2 / 2, 0.0)), most)
        first = np.maximum(peak - along, 0.0) / j
        # Where the peak is below the limit there is no plateau, and so nothing to divide by zero.
        plateau = np.maximum((needed - (2 * peak**2 - along**2) / (2 * j)) / most, 0.0)
        durations = np.array([first, np.where(peak >= most, plateau, 0.0), peak / j])
        cubics = np.zeros((3, 6, len(p)))
        sixth = push * j / 6
        for phase, (t, c3) in enumerate(zip(durations, (sixth, 0.0 * sixth, -sixth), strict=True)):
            half = a / 2
            cubics[phase, :4] = p, v, half, c3
            p = p + t * (v + t * (half + t * c3))
            v = v + t * (a + t * (3 * c3))
            a = a + t * (6 * c3)
        self.durations = durations.T
        self.coefficients = cubics.transpose(2, 0, 1)
        self.rest = p

    def track(self, joint: int) -> Track:
        """The phases of one joint that take any time."""
        return [
            Piece(float(t), tuple(c.tolist()))
            for t, c in zip(self.durations[joint], self.coefficients[joint], strict=True)
            if t > 0
        ]


def surely_within(
    state: FloatArray, lower: FloatArray, upper: FloatArray, planned: Rates, rates: Rates
) -> NDArray[np.bool_]:
    """Which joints [n] brake from state [3, n] within limits by a bound that is quick to see.

    False proves nothing: the joint may still stay within; ``planned`` are the rates it brakes with.
    """
    position, velocity, acceleration = state
    gained = acceleration**2 / (2 * planned.jerk)
    fastest = np.abs(velocity) + gained
    longest = (
        fastest / planned.acceleration
        + 2 * planned.acceleration / planned.jerk
        + np.abs(acceleration) / planned.jerk
    )
    way = fastest * longest
    inside: NDArray[np.bool_] = (
        (fastest <= rates.velocity)
        & (np.abs(acceleration) <= rates.acceleration)
        & (position - way >= lower)
        & (position + way <= upper)
    )
    return inside
