# SPDX-License-Identifier: Apache-2.0
"""What a stop was like, from the setpoints of the robot's trajectory controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calib_tools.common.setpoints import Setpoints
from quantvla_ros.control.limits import JointLimits

_STILL = 1e-4
"""Below this share of its velocity limit a commanded joint stands."""
_SHOWN_S = 0.02  # from point to point of a curve


@dataclass(frozen=True)
class Stop:
    """Figures of one stop; ratios are of the largest value of a setpoint to the joint's limit.

    Attributes:
        speed_ratio: when the fault was raised.
        stop_s: from then until the setpoints stand.
        acceleration_ratio: from the fault on.
        velocity_ratio: from the fault on.
        jerk_ratio: from the fault on.
        rests: whether the last setpoints stand.
        curve: time after the fault (s) and velocities (rad/s or m/s) of the joints.
    """

    speed_ratio: float
    stop_s: float
    acceleration_ratio: float
    velocity_ratio: float
    jerk_ratio: float
    rests: bool
    curve: dict[str, Any]


def measure(setpoints: Setpoints, fault: float, limits: JointLimits) -> Stop:
    """Measure the stop that began at time ``fault`` (s, ROS clock).

    Raises:
        ValueError: no setpoints from before and after the fault.
    """
    times = setpoints.times
    if not (times[:1] < fault).any() or not (times[-1:] > fault).any():
        raise ValueError("the controller's setpoints around the fault were not heard")
    velocities, _, _ = setpoints.rates()
    speeds = np.abs(velocities) / limits.velocity
    at_fault = int(np.searchsorted(times, fault)) - 1
    after = Setpoints(times[at_fault:], setpoints.positions[at_fault:]).shares(limits)
    moving = np.flatnonzero((speeds > _STILL).any(axis=1) & (times[1:] > fault))
    end = float(times[moving[-1] + 1]) if len(moving) else fault
    every = max(round(_SHOWN_S / float(np.median(np.diff(times)))), 1)
    shown = np.flatnonzero((times[1:] >= fault - 0.5) & (times[1:] <= end + 0.2))[::every]
    return Stop(
        speed_ratio=float(speeds[max(at_fault - 1, 0)].max()),
        stop_s=max(end - fault, 0.0),
        acceleration_ratio=after.acceleration,
        velocity_ratio=after.velocity,
        jerk_ratio=after.jerk,
        rests=bool((speeds[-1] <= _STILL).all()),
        curve={
            "time_s": np.round(times[1:][shown] - fault, 4).tolist(),
            "velocities": np.round(velocities[shown], 5).tolist(),
        },
    )
