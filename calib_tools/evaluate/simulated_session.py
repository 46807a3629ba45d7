# SPDX-License-Identifier: Apache-2.0
"""A policy node's session on the simulated robot, with the simulation's clock and without ROS."""

from __future__ import annotations

from collections.abc import Callable

from calib_tools.common.panda_limits import panda_parameters
from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.simulated_parts import (
    Heard,
    InProcessWorker,
    SimulatedClock,
    SimulatedDrive,
    SimulatedInputs,
)
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.control.faults import Condition
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.robot.interface import Interface
from quantvla_ros.serving.graph import GraphWatches
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.joint_limit_texts import MAX_JUMP, TRACKING_TOLERANCE
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.parts import PolicyParts, RobotParts, SessionParts
from quantvla_ros.serving.session import PolicySession
from quantvla_ros.serving.startup import read_limits, read_observed
from quantvla_ros.serving.supervision import jump_distances, tracking_tolerances
from quantvla_ros.serving.trained_state import TrainedState
from simulation.robot import SimulatedRobot
from simulation.urdf import panda_urdf

_ROBOT = "the simulated robot"


class _Nobody:
    """A graph with this robot alone: none of its watches finds anything."""

    simulated = True
    conflict: Condition | None = None
    text = ""

    def look(self) -> None:
        """Find nothing."""


class SimulatedSession:
    """A session from the reset of a robot on; make a new one for each episode."""

    def __init__(
        self,
        robot: SimulatedRobot,
        policy: RunningPolicy,
        parameters: PolicyNodeParameters,
        latency: Callable[[], float],
        setup: ControllerSetup,
        heard: Heard | None = None,
    ) -> None:
        """Build the parts.

        Args:
            robot: was just reset.
            policy: of joint positions of this robot.
            parameters: of the policy node.
            latency: of the next chunk, s.
            setup: of the robot's trajectory controller.
            heard: receives each window.
        """
        manifest, given = policy.manifest, panda_parameters()
        interface = manifest.interface
        limits = read_limits(interface, panda_urdf(), _ROBOT, given)
        observed = read_observed(interface.state.names, panda_urdf(), _ROBOT)
        drive = SimulatedDrive(limits, tuple(interface.state.names), robot, setup, heard)
        buffer = InputBuffer(
            [camera.name for camera in interface.cameras], interface.state.names, parameters.gates
        )
        buffer.know_joints(observed, jump_distances(observed.names, given[MAX_JUMP]))
        self.clock = SimulatedClock(robot, drive.setpoint)
        self.inputs = SimulatedInputs(robot, interface, buffer)
        self.worker = InProcessWorker(policy, self.clock.now, latency)
        nobody = _Nobody()
        self.session = PolicySession(
            SessionParts(
                lambda: parameters,
                self.clock,
                PolicyParts(manifest, TrainedState(manifest, observed.continuous), self.worker),
                RobotParts(
                    drive,
                    tracking_tolerances(drive, given[TRACKING_TOLERANCE]),
                    self.inputs,
                    buffer,
                ),
                GraphWatches(nobody, nobody, nobody, nobody),
                _NoDisplay(),
            )
        )
        self.inputs.instruct(robot.instruction)
        self.session.begin()

    def arm(self) -> None:
        """Let the policy move the robot.

        Raises:
            QuantVLAError: the node would not be armed, with its reason.
        """
        self.inputs.sense(self.clock.now())
        self.session.arm()

    def step(self, period_s: float) -> None:
        """One control period: new inputs, inference, control, and the physics up to its end."""
        began = self.clock.steady()
        self.session.inference.step(self.session.now())
        self.session.control.step(began)
        self.clock.sleep_until(began + period_s)
        self.inputs.sense(self.clock.now())


class _NoDisplay:
    def show(self, actions: FloatArray, stamp: float, interface: Interface) -> None:
        """Do nothing."""
