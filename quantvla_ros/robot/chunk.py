# SPDX-License-Identifier: Apache-2.0
"""What the policy puts out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chunk:
    """A chunk of actions.

    Attributes:
        actions: float64 [horizon, actions] in SI: absolute positions of joints (rad, m), motion of
            a tip (m/s, rad/s, or m, rad a step); row ``k`` is due at ``stamp + (k + 1) * dt``.
        stamp: time of the observation, s.
        timings_ms: milliseconds per stage of the backend; their sum is the whole of it.
        steps_ms: milliseconds of each denoise step, which together are the stage "denoise".
    """

    actions: NDArray[np.float64]
    stamp: float
    timings_ms: dict[str, float]
    steps_ms: tuple[float, ...] = ()
