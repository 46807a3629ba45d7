# SPDX-License-Identifier: Apache-2.0
"""How smoothly the arm moved, from its joint velocities at a steady rate."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import FloatArray


def rms_jerk(velocities: FloatArray, rate_hz: float) -> float:
    """Root mean square jerk of a motion.

    The square of it is f^4 / (T - 2) * sum over t of ||v[t+1] - 2 v[t] + v[t-1]||^2.

    Args:
        velocities: [T, joints], rad/s, one row a period.
        rate_hz: f.

    Returns:
        rad/s^3; 0 for fewer than three rows.
    """
    if len(velocities) < 3:
        return 0.0
    jerk = np.diff(velocities, n=2, axis=0) * rate_hz**2
    return float(np.sqrt((jerk**2).sum() / len(jerk)))


def path_length(positions: FloatArray) -> float:
    """Way through joint space: the norm of each step of positions [T, joints] summed, rad."""
    return float(np.linalg.norm(np.diff(positions, axis=0), axis=1).sum())
