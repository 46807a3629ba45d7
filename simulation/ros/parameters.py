# SPDX-License-Identifier: Apache-2.0
"""Parameters of the simulated robot node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.gripper_types import GripperType
from simulation.controller_release import RELEASES, STRICTEST
from simulation.tasks.registry import make_task
from simulation.trajectory_controller import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, RATE_HZ

_SILENCE = "silence_"
_RATES = FloatingPointRange(from_value=LOWEST_RATE_HZ, to_value=HIGHEST_RATE_HZ, step=0.0)


class SimParameters:
    """Declares the parameters, whose descriptions say what they are, and holds their values."""

    def __init__(
        self, node: Node, sources: Sequence[str], on_rate: Callable[[float], None]
    ) -> None:
        """Declare everything on the node.

        Raises:
            QuantVLAError: there is no such task or type of gripper.
        """
        self._node = node
        self._on_rate = on_rate
        fixed = partial(self._declare, read_only=True)
        text = "family of scenes and instructions; of several, a,b, the seed of a scene picks one"
        self._tasks: list[str] = fixed("task", "pick_place", text).split(",")
        for name in self._tasks:
            make_task(name)
        self.stepped: bool = fixed("stepped", False, "time stands still until ~/step")
        text = "distribution whose JointTrajectoryController is simulated"
        known = ", ".join(RELEASES)
        self.release: str = fixed("release", STRICTEST.name, text, additional_constraints=known)
        text = "control cycles a second of the trajectory controller"
        self.controller_rate_hz: float = fixed(
            "controller_rate_hz", RATE_HZ, text, floating_point_range=[_RATES]
        )
        text = "new trajectories start from the controller's last setpoint, not the measured state"
        self.interpolate_from_desired_state: bool = fixed(
            "interpolate_from_desired_state", True, text
        )
        text = (
            "what the gripper's controller takes; other than `trajectory`: it is no joint of the "
        )
        text += "trajectory controller"
        kinds = ", ".join(get_args(GripperType))
        self.gripper_type: GripperType = fixed(
            "gripper_type", "trajectory", text, additional_constraints=kinds
        )
        if self.gripper_type not in get_args(GripperType):
            raise QuantVLAError(
                f"Parameter 'gripper_type' is '{self.gripper_type}', it must be one of {kinds}."
            )
        self.seed: int = self._declare(
            "seed",
            0,
            "scene of the start or of the next reset; each reset takes the next one",
            integer_range=[IntegerRange(from_value=0, to_value=2**31 - 1, step=1)],
        )
        self.real_time_factor: float = self._declare(
            "real_time_factor",
            1.0,
            "simulated seconds per second; 0: as fast as possible",
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=100.0, step=0.0)],
        )
        self.joint_offset: float = self._declare(
            "joint_offset", 0.0, "fault injection: added to every position of the joint states"
        )
        self.silenced: dict[str, bool] = {
            source: self._declare(_SILENCE + source, False, f"fault injection: publish no {source}")
            for source in sources
        }
        node.add_on_set_parameters_callback(self._on_set)

    def task(self, seed: int) -> str:
        """The task of a scene."""
        return self._tasks[seed % len(self._tasks)]

    def _declare(self, name: str, default: object, text: str, **more: object) -> Any:
        descriptor = ParameterDescriptor(description=text, **more)
        return self._node.declare_parameter(name, default, descriptor).value

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name in ("seed", "joint_offset"):
                setattr(self, parameter.name, parameter.value)
            elif parameter.name == "real_time_factor":
                self.real_time_factor = parameter.value
                self._on_rate(parameter.value)
            elif parameter.name.startswith(_SILENCE):
                self.silenced[parameter.name.removeprefix(_SILENCE)] = parameter.value
        return SetParametersResult(successful=True)
