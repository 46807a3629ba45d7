# SPDX-License-Identifier: Apache-2.0
"""What a policy node commanded, from its trajectory messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.serving.stamps import seconds_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CommandedWindow:
    """One trajectory message: times [K] in s, ROS clock; the rest [K, n], in the limits' order."""

    times: Array
    positions: Array
    velocities: Array
    accelerations: Array


def commanded_window(message: Any, names: Sequence[str]) -> CommandedWindow:
    """A JointTrajectory with its joints in the order of `names`."""
    order = [list(message.joint_names).index(name) for name in names]
    start = seconds_of(message.header.stamp)
    rows = message.points
    return CommandedWindow(
        np.array([start + seconds_of(p.time_from_start) for p in rows]),
        np.array([p.positions for p in rows])[:, order],
        np.array([p.velocities for p in rows])[:, order],
        np.array([p.accelerations for p in rows])[:, order],
    )
