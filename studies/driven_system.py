# SPDX-License-Identifier: Apache-2.0
"""A policy node that moves the simulated robot, as the studies drive and watch it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.common.panda_limits import panda_limits
from calib_tools.system.processes import Child
from calib_tools.system.trace import SETPOINTS, HeardSetpoints
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.stamps import seconds_of

if TYPE_CHECKING:
    from quantvla_ros.control.limits import JointLimits
    from quantvla_ros.nodes.operator import Operator


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


COMMANDS = "/joint_trajectory"
POLL_S = 0.02
WAIT_S = 60.0  # a busy machine
QUIET_S = 0.5  # without a window: nothing is commanded
_MODES = ("ARMED", "DRY_RUN")


class DrivenSystem:
    """The running system and what the node commanded lately.

    Attributes:
        operator: of the node and the robot; its tap hears `COMMANDS` if windows are wanted.
        children: processes that must not end.
        windows: heard since the list was cleared.
        setpoints: of the robot's controller, likewise, if they are wanted (`SETPOINTS`).
    """

    def __init__(
        self, operator: Operator, children: Sequence[Child], limits: JointLimits | None = None
    ) -> None:
        """Take the running system, and the limits of the trajectories' joints (None: of all)."""
        self.operator, self.children = operator, list(children)
        self.limits = limits or panda_limits()
        self.windows: list[CommandedWindow] = []
        self.setpoints = HeardSetpoints(self.limits.names)
        self._heard_s = time.monotonic()

    @property
    def message(self) -> str:
        """What the node's control says."""
        return self.operator.policy.diagnostics("control")[0]

    @property
    def figures(self) -> dict[str, str]:
        """The newest figures of the node's control."""
        return self.operator.policy.diagnostics("control")[1]

    @property
    def mode(self) -> str:
        """ARMED, DRY_RUN, another state, or the name of the latched fault."""
        return self.message.partition(":")[0].partition(" ")[0]

    @property
    def fault(self) -> str:
        """Name of the latched fault; empty for none."""
        name, colon, _ = self.message.partition(":")
        return name if colon and name.isupper() and name not in _MODES else ""

    def check(self) -> None:
        """Raise QuantVLAError when a process has ended."""
        for child in self.children:
            child.check()

    def wait(self, event: Callable[[], Any], what: str) -> Any:
        """Wait until `event` returns something true, and return that.

        Raises:
            QuantVLAError: it does not come, or a process ends.
        """
        deadline = time.monotonic() + WAIT_S
        while not (value := event()):
            self.check()
            if time.monotonic() > deadline:
                raise QuantVLAError(
                    f"No {what} within {WAIT_S:.0f} s; the node says '{self.message}'."
                )
            self.take(POLL_S)
        return value

    def until_accepted(self, request: Callable[[], None]) -> None:
        """Ask the node repeatedly until it accepts."""

        def accepted() -> bool:
            try:
                request()
            except QuantVLAError:
                return False
            return True

        self.wait(accepted, "consent of the node")

    def until_quiet(self) -> None:
        """Wait until the node commands nothing."""
        self.wait(lambda: time.monotonic() - self._heard_s > QUIET_S, "end of the commands")

    def take(self, wait_s: float) -> None:
        """Take what has arrived; wait at most so long for the first."""
        arrival = self.operator.tap.next(wait_s)
        while arrival is not None:
            message = RawMessage(arrival.topic, arrival.msgtype, arrival.data)
            if arrival.topic == COMMANDS:
                self._heard_s = arrival.steady_s
                self.windows.append(commanded_window(decode(message), self.limits.names))
            elif arrival.topic == SETPOINTS:
                self.setpoints.take(decode(message))
            else:
                self.heard(message)
            arrival = self.operator.tap.next(0.0)

    def heard(self, message: RawMessage) -> None:
        """Called with every other message that the tap hears."""
