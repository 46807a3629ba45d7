# SPDX-License-Identifier: Apache-2.0
"""Why a chunk must not move the arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quantvla_ros.control.limits import FloatArray

MAX_ACTION = 1e4
"""No joint is so far away (rad or m): larger numbers are damage, and squares of them overflow."""
MAX_AHEAD_S = 1.0
"""No chunk is of an observation so far in the future."""


def chunk_error(
    points: FloatArray, joints: Sequence[str], stamp: float, dt: float, now: float
) -> str | None:
    """What is wrong with a chunk, None for nothing.

    Args:
        points: [H, n].
        joints: names of the n joints.
        stamp: time of the observation (s).
        dt: between two rows (s).
        now: the time (s).
    """
    if points.ndim != 2 or len(points) == 0 or points.shape[1] != len(joints):
        return f"a chunk has shape {points.shape}, the robot has {len(joints)} joints"
    sound = np.abs(points) <= MAX_ACTION
    if not sound.all():
        row, joint = np.argwhere(~sound)[0]
        return f"a chunk has {points[row, joint]} for joint '{joints[joint]}' in row {row}"
    if not (np.isfinite(stamp) and np.isfinite(dt) and dt > 0):
        return f"a chunk has stamp {stamp} and dt {dt}"
    if stamp > now + MAX_AHEAD_S:
        return f"a chunk has a stamp {stamp - now:.1f} s in the future"
    return None
