# SPDX-License-Identifier: Apache-2.0
"""What a stop was like, from the windows that commanded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.commanded_window import CommandedWindow
from quantvla_ros.control.limits import JointLimits

Array = NDArray[np.float64]
_NS = 1e-9
_STILL = 1e-6
"""Below this share of its velocity limit a commanded joint stands."""


@dataclass(frozen=True)
class Stop:
    """Figures of one stop; ratios are of the largest value to the joint's limit.

    Attributes:
        speed_ratio: when the fault was raised.
        stop_s: from then until nothing was commanded to move.
        acceleration_ratio: of the command, from the fault on.
        velocity_ratio: of the command, from the fault on.
        jerk_ratio: the mean over each control period of the command, from the fault on.
        rests: whether the last command ends at rest.
        curve: time after the fault (s) and velocities (rad/s or m/s) of the moving joints.
    """

    speed_ratio: float
    stop_s: float
    acceleration_ratio: float
    velocity_ratio: float
    jerk_ratio: float
    rests: bool
    curve: dict[str, Any]


def measure(windows: Sequence[CommandedWindow], fault: float, limits: JointLimits) -> Stop:
    """Measure the stop that began at time ``fault`` (s, ROS clock).

    A controller follows each window's first point until the next one comes, and the last window to
    its end.

    Raises:
        ValueError: no windows.
    """
    if not windows:
        raise ValueError("nothing was commanded")
    last = windows[-1]
    times = np.concatenate([[w.times[0] for w in windows[:-1]], last.times])
    velocities = np.concatenate([[w.velocities[0] for w in windows[:-1]], last.velocities])
    accelerations = np.concatenate([[w.accelerations[0] for w in windows[:-1]], last.accelerations])
    # Two windows may be of one tick of a simulation's clock; then they must say the same.
    steps = np.maximum(np.diff(times)[:, None], _NS)
    jerks = np.diff(accelerations, axis=0) / steps
    speeds = np.abs(velocities) / limits.velocity
    after = times >= fault
    at_fault = max(int(np.searchsorted(times, fault)) - 1, 0)
    moving = np.flatnonzero((speeds > _STILL).any(axis=1) & after)
    end = times[min(moving[-1] + 1, len(times) - 1)] if len(moving) else fault
    shown = (times >= fault - 0.5) & (times <= end + 0.2)
    return Stop(
        speed_ratio=float(speeds[at_fault].max()),
        stop_s=float(max(end - fault, 0.0)),
        acceleration_ratio=_peak(np.abs(accelerations[after]) / limits.acceleration),
        velocity_ratio=_peak(speeds[after]),
        jerk_ratio=_peak(np.abs(jerks[after[:-1]]) / limits.jerk),
        rests=bool((np.abs(last.velocities[-1]) <= _STILL * limits.velocity).all()),
        curve={
            "time_s": np.round(times[shown] - fault, 4).tolist(),
            "velocities": np.round(velocities[shown], 5).tolist(),
        },
    )


def _peak(ratios: Array) -> float:
    return float(ratios.max()) if ratios.size else 0.0
