# SPDX-License-Identifier: Apache-2.0
"""Rules that every published window keeps, whatever the node was sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from quantvla_ros.control.following import ARMING_REACH_S
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window
from studies.driven_system import CommandedWindow

_TOLERANCE = 1e-6  # of a limit's share; rad or m
_ROUNDING_S = 1e-6  # messages hold whole ns, and times of a system's clock are as large as 1.8e9 s


def wrong(windows: Sequence[CommandedWindow], limits: JointLimits) -> list[str]:
    """A phrase for each thing that is wrong with the windows of one motion."""
    found = []
    for name, limit in (("velocities", limits.velocity), ("accelerations", limits.acceleration)):
        worst = max((float((np.abs(getattr(w, name)) / limit).max()) for w in windows), default=0.0)
        if not worst <= 1 + _TOLERANCE:
            found.append(f"{name} of {worst:.3f} of their limit")
    found += [text] if (text := _outside(windows, limits)) else []
    if any((w.velocities[-1] != 0).any() for w in windows):
        found.append("a window that does not end at rest")
    found += [text for pair in pairwise(windows) if (text := _step(*pair, limits))]
    return found


def _outside(windows: Sequence[CommandedWindow], limits: JointLimits) -> str:
    """Names a joint commanded further outside its limits than it was at first."""
    if not windows:
        return ""
    positions = np.concatenate([w.positions for w in windows])
    excess = np.maximum(np.maximum(limits.lower - positions, positions - limits.upper), 0.0)
    allowed = np.minimum(excess[0], ARMING_REACH_S * limits.velocity) + _TOLERANCE
    worst = int(np.argmax(excess.max(axis=0) - allowed))
    most = float(excess[:, worst].max())
    if most <= allowed[worst]:
        return ""
    return f"a position of '{limits.names[worst]}' {most:.6f} outside its limits"


def _step(old: CommandedWindow, new: CommandedWindow, limits: JointLimits) -> str:
    """What is wrong with the way from one window to the next; empty for nothing.

    A window between them may have been lost on its way to us. Two motions that were one when the
    old window began differ by what two opposite jerks make of the time since then, and so does,
    within a step of the window, what a controller makes of its points.
    """
    begin = float(new.times[0])
    if abs(begin - old.times[0]) < _ROUNDING_S:  # the first window of a motion comes several times
        begin = float(old.times[0])
    if begin < old.times[0]:
        return "a window that begins before the one before it"
    told = Window(0.0, old.times, old.positions, old.velocities, old.accelerations)
    step = np.abs(told.sample(begin).position[0] - new.positions[0])
    time = max(begin - float(old.times[0]), float(old.times[1] - old.times[0]))
    if (step <= limits.jerk * time**3 / 3 + _TOLERANCE).all():
        return ""
    return f"a step of {step.max():.4f} from one window to the next"
