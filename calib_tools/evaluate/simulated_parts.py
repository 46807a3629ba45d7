# SPDX-License-Identifier: Apache-2.0
"""Clock, inputs, drive and worker of a session on the simulated robot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calib_tools.common.setpoints import ControllerSetup, window_trajectory
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.window import Window
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.inference.client import ChunkResult, Failure, Result
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.tip_pose import FarPoseError
from quantvla_ros.serving.drive import JointAxes
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Frame, JointSample
from simulation.robot import JOINT_NAMES, SimulatedRobot
from simulation.scene import TIMESTEP_S

EPOCH_S = 1.0
"""The session's clock at the robot's time 0: a stamp of zero is none."""
Heard = Callable[[float, Window], None]
"""Is told the session's time (s) and the window that leaves then."""


class SimulatedClock:
    """Both clocks are the simulation's; to sleep is to let it go on."""

    def __init__(self, robot: SimulatedRobot, setpoint: Callable[[float], FloatArray]) -> None:
        """Take the robot and the function of its servos' setpoints."""
        self._robot = robot
        self._setpoint = setpoint

    def now(self) -> float:
        """Time of the simulation since the reset, and `EPOCH_S`."""
        return self._robot.time + EPOCH_S

    steady = now

    def sleep_until(self, steady: float) -> None:
        """Simulate up to a time, in whole steps of the physics."""
        steps = round((steady - self.steady()) / TIMESTEP_S)
        if steps > 0:
            self._robot.advance(steps * TIMESTEP_S, self._setpoint)


class SimulatedInputs:
    """Joint states and pictures of the instant; a picture is rendered when it is read."""

    def __init__(self, robot: SimulatedRobot, interface: Interface, buffer: InputBuffer) -> None:
        """Take the robot, the policy's cameras, and what to fill."""
        self._robot, self._buffer = robot, buffer
        self._size = interface.cameras[0].height  # all are square and of one size
        self._pictures: tuple[float, dict[str, NDArray[np.uint8]]] = (-np.inf, {})
        self.on_joints: Callable[[JointSample], None] = lambda _: None
        self.on_instruction: Callable[[], None] = lambda: None

    def sense(self, now: float) -> None:
        """Let messages of this time (s) arrive from every sensor."""
        for camera in self._buffer.cameras:
            self._buffer.add_frame(camera, now, b"", now)
        robot = self._robot
        sample = self._buffer.add_joint_state(
            now, JOINT_NAMES, robot.positions.tolist(), robot.velocities.tolist(), now
        )
        if sample is not None:
            self.on_joints(sample)

    def decode(self, camera: str, frame: Frame) -> NDArray[np.uint8]:
        """The camera's picture at the frame's time, which is now."""
        if self._pictures[0] != frame.stamp:
            self._pictures = frame.stamp, self._robot.render(self._size)
        return self._pictures[1][camera]

    def instruct(self, text: str) -> None:
        """Take an instruction."""
        if self._buffer.set_instruction(text):
            self.on_instruction()

    def disconnect(self) -> None:
        """Nothing: messages come from `sense` only."""


class SimulatedDrive(JointAxes):
    """Windows go to the robot's trajectory controller at once."""

    grippers = ()

    def __init__(
        self,
        limits: JointLimits,
        observed: tuple[str, ...],
        robot: SimulatedRobot,
        setup: ControllerSetup,
        heard: Heard | None,
    ) -> None:
        """Take the joints as `JointAxes`, the robot, its controller, and who hears of windows."""
        super().__init__(limits, observed)
        self._robot = robot
        self._heard = heard
        self._from_desired = setup.from_desired
        self._controller = setup.controller(JOINT_NAMES, robot.commanded)

    def setpoint(self, time: float) -> FloatArray:
        """The controller's setpoint [n] at a time of the robot (s)."""
        measured = None if self._from_desired else (self._robot.positions, self._robot.velocities)
        return self._controller.setpoint(time, measured)

    def begin(self) -> None:
        """Nothing is left of the motion before."""

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the trajectory."""
        trajectory = window_trajectory(window, self.limits.names, EPOCH_S)

        def publish() -> None:
            if self._heard is not None:
                self._heard(self._robot.time + EPOCH_S, window)
            reason = self._controller.submit(trajectory, self._robot.time)
            if reason is not None:
                raise QuantVLAError(f"The simulated controller refuses a window: {reason}.")

        return publish

    def idle(self, now: float) -> bool:
        """The last trajectory ended at rest."""
        return True


class InProcessWorker:
    """Computes chunks in this process; each comes when its simulated latency is over.

    Attributes:
        asked: how many chunks it was asked for.
    """

    busy = False
    running = True
    pid = None

    def __init__(
        self, policy: RunningPolicy, now: Callable[[], float], latency: Callable[[], float]
    ) -> None:
        """Take the policy, the clock (s), and what the next chunk's latency is (s)."""
        self._policy, self._now, self._latency = policy, now, latency
        self.asked = 0

    def start(self, timeout_s: float = 300.0) -> None:
        """It runs already."""

    def request(
        self,
        observation: Observation,
        seed: int,
        counter: int,
        prefix: ActionPrefix | None = None,
    ) -> None:
        """Ask for a chunk."""
        self.busy = True
        self.asked += 1
        self._since = self._now()
        self._due = self._since + self._latency()
        self._request = observation, draw_noise(self._policy.manifest, seed, counter), prefix

    def poll(self) -> Result | None:
        """Compute the chunk that is due; poses that are nowhere near the tip fail as in a node.

        Raises:
            QuantVLAError: the policy refuses the observation.
        """
        now = self._now()
        if not self.busy or now < self._due - TIMESTEP_S / 2:  # times are sums of floats
            return None
        self.busy = False
        try:
            return ChunkResult(self._policy.infer(*self._request), now - self._since)
        except FarPoseError as error:
            return Failure("BACKEND_ERROR", str(error))

    def close(self) -> None:
        """There is nothing to end."""
