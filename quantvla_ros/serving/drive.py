# SPDX-License-Identifier: Apache-2.0
"""The way between a policy's chunks, the axes of the motion, and whatever takes the commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.faults import Condition
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.window import Window
from quantvla_ros.serving.input_types import JointSample


class Gripper(Protocol):
    """A gripper that is commanded apart from the other axes.

    Attributes:
        joint: its name.
        watched: whether the measured position can be compared with the command at every instant.
    """

    joint: str
    watched: bool

    @property
    def state(self) -> str:
        """What became of the newest command, for diagnostics."""
        ...

    def begin(self) -> None:
        """Forget the motion before: neither its commands nor what became of them counts."""
        ...

    def trouble(self) -> Condition | None:
        """Return why the gripper did not carry out its command in this motion."""
        ...


class Drive(Protocol):
    """What a policy's actions drive: n axes, which are joints or those of the tip.

    Attributes:
        limits: of the axes.
        speeds: [n] see `MotionController`, None: no axis.
        watched: [n] axes whose measured position can be compared with the command.
        longest_gap_s: after so long without a command the receiver has stopped by itself.
        timed: whether a command says when it begins, so that it must not come later.
    """

    limits: JointLimits
    speeds: NDArray[np.bool_] | None
    watched: NDArray[np.bool_]
    longest_gap_s: float
    timed: bool

    @property
    def grippers(self) -> Sequence[Gripper]:
        """The grippers that are commanded apart from the other axes."""
        ...

    def points(self, actions: FloatArray) -> FloatArray:
        """Points [H, n] of a chunk [H, n] in the policy's units."""
        ...

    def actions(self, points: FloatArray) -> FloatArray:
        """The way back: points [K, n] in the policy's units."""
        ...

    def measured(self, sample: JointSample) -> tuple[FloatArray, FloatArray]:
        """Position and velocity [n] of a joint state; zero where an axis is not measured."""
        ...

    def begin(self) -> None:
        """Forget what was still to be said of the motion before; at activation and arming."""
        ...

    def before_arming(self) -> None:
        """Make the receiver listen.

        Raises:
            QuantVLAError: it refuses.
        """
        ...

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the messages of a window; calling the result publishes them."""
        ...

    def idle(self, now: float) -> bool:
        """Called at each tick (s, ROS clock) at which nothing moves.

        Returns whether the receiver has all it needs.
        """
        ...


class JointAxes:
    """What every drive of joints has in common: its axes are the joints that the policy commands.

    A controller of trajectories always listens, and ends its last one at rest by itself.
    """

    speeds: NDArray[np.bool_] | None = None
    longest_gap_s = math.inf
    timed = True

    def __init__(self, limits: JointLimits, observed: tuple[str, ...]) -> None:
        """Take the n joints and the order of the joint states."""
        self.limits = limits
        self.watched = np.ones(len(limits.names), dtype=np.bool_)
        self._order = [observed.index(name) for name in limits.names]

    def points(self, actions: FloatArray) -> FloatArray:
        """The actions: they are positions."""
        return actions

    def actions(self, points: FloatArray) -> FloatArray:
        """The points."""
        return points

    def measured(self, sample: JointSample) -> tuple[FloatArray, FloatArray]:
        """The joints in the limits' order."""
        return sample.positions[self._order], sample.velocities[self._order]

    def before_arming(self) -> None:
        """Nothing."""
