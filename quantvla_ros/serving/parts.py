# SPDX-License-Identifier: Apache-2.0
"""The parts of a session, grouped by what belongs together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.motion import MotionController
from quantvla_ros.inference.client import Result
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.observation import Observation
from quantvla_ros.serving.clock import Clock
from quantvla_ros.serving.drive import Drive
from quantvla_ros.serving.graph import GraphWatches
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.inputs import Inputs
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.record import NodeRecord
from quantvla_ros.serving.trained_state import TrainedState


class PolicyWorker(Protocol):
    """Computes one chunk at a time, beside the session; see `InferenceClient`."""

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        ...

    @property
    def running(self) -> bool:
        """Whether it can be asked; if not, only a new `start` helps."""
        ...

    @property
    def pid(self) -> int | None:
        """Process id, None without a process of its own."""
        ...

    def start(self, timeout_s: float = 300.0) -> None:
        """Begin (again), within the given seconds.

        Raises:
            QuantVLAError: it does not come up.
        """
        ...

    def request(
        self,
        observation: Observation,
        seed: int,
        counter: int,
        prefix: ActionPrefix | None = None,
    ) -> None:
        """Ask for a chunk without waiting.

        Raises:
            QuantVLAError: observation or prefix do not fit the bundle.
        """
        ...

    def poll(self) -> Result | None:
        """Return the chunk that has come, or why none will; None while there is nothing to tell."""
        ...

    def close(self) -> None:
        """End it for good."""
        ...


class ChunkDisplay(Protocol):
    """Shows chunks to people."""

    def show(self, actions: FloatArray, stamp: float, interface: Interface) -> None:
        """Show a chunk [H, n] of an observation at ``stamp`` (s, ROS clock)."""
        ...


@dataclass(frozen=True)
class PolicyParts:
    """The policy.

    Attributes:
        manifest: of its bundle.
        trained: what it knows of the joints.
        worker: computes its chunks; started.
    """

    manifest: BundleManifest
    trained: TrainedState
    worker: PolicyWorker


@dataclass(frozen=True)
class RobotParts:
    """The robot.

    Attributes:
        drive: of n axes, what the actions drive.
        tolerances: [n] of the tracking error, see `TrackingWatch`.
        inputs: fill ``buffer``.
        buffer: newest frames and joint states.
    """

    drive: Drive
    tolerances: FloatArray
    inputs: Inputs
    buffer: InputBuffer


@dataclass(frozen=True)
class SessionParts:
    """All parts of a session.

    Attributes:
        parameters: the newest ones, live ones included.
        clock: ROS clock and steady clock.
        policy: that runs.
        robot: that it moves.
        graph: who else is there.
        display: of the chunks.
    """

    parameters: Callable[[], PolicyNodeParameters]
    clock: Clock
    policy: PolicyParts
    robot: RobotParts
    graph: GraphWatches
    display: ChunkDisplay

    @property
    def period_s(self) -> float:
        """Of the control tick."""
        return 1.0 / self.parameters().control_rate_hz


@dataclass(frozen=True)
class SharedMotion:
    """What control and inference share.

    Attributes:
        controller: makes the windows.
        lock: guards it.
        record: of what was published and inferred.
    """

    controller: MotionController
    lock: threading.Lock
    record: NodeRecord
