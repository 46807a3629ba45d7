# SPDX-License-Identifier: Apache-2.0
"""Parameters of the simulated robot node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from quantvla_ros.serving.gripper_types import GripperType
from simulation.controller_release import RELEASES, STRICTEST
from simulation.trajectory_controller import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, RATE_HZ

_SILENCE = "silence_"
_RATES = FloatingPointRange(from_value=LOWEST_RATE_HZ, to_value=HIGHEST_RATE_HZ, step=0.0)


class SimParameters:
    """Declares the parameters and holds their values.

    Attributes:
        task: name of the task family.
        release: distribution whose trajectory controller is simulated.
        gripper_type: what the gripper's controller takes.
        controller_rate_hz: control cycles a second of that controller.
        interpolate_from_desired_state: whether its new trajectories start from its last setpoint;
            otherwise from the measured state.
        seed: of the start, or of the next reset.
        stepped: whether time stands still until a step is asked for.
        real_time_factor: simulated seconds per second, 0 for as fast as possible.
        silenced: what is not published: the cameras' names and `joint_states`.
    """

    def __init__(
        self, node: Node, sources: Sequence[str], on_rate: Callable[[float], None]
    ) -> None:
        """Declare everything on the node.

        Args:
            node: whose parameters they become.
            sources: what can be silenced.
            on_rate: called with each new real-time factor.

        Raises:
            QuantVLAError: there is no such type of gripper.
        """
        self._node = node
        self._on_rate = on_rate
        self.task: str = self._declare(
            "task", "pick_place", "family of scenes and instructions", read_only=True
        )
        self.stepped: bool = self._declare(
            "stepped", False, "time stands still until ~/step", read_only=True
        )
        self.release: str = self._declare(
            "release",
            STRICTEST.name,
            "distribution whose JointTrajectoryController is simulated",
            read_only=True,
            additional_constraints=", ".join(RELEASES),
        )
        self.controller_rate_hz: float = self._declare(
            "controller_rate_hz",
            RATE_HZ,
            "control cycles a second of the trajectory controller",
            read_only=True,
            floating_point_range=[_RATES],
        )
        self.interpolate_from_desired_state: bool = self._declare(
            "interpolate_from_desired_state",
            True,
            "new trajectories start from the controller's last setpoint, not from the measured "
            "state",
            read_only=True,
        )
        self.gripper_type: GripperType = self._declare(
            "gripper_type",
            "trajectory",
            "what the gripper's controller takes; other than `trajectory`: it is no joint of the "
            "trajectory controller",
            read_only=True,
            additional_constraints=", ".join(get_args(GripperType)),
        )
        if self.gripper_type not in get_args(GripperType):
            raise QuantVLAError(
                f"Parameter 'gripper_type' is '{self.gripper_type}', it must be one of "
                f"{', '.join(get_args(GripperType))}."
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
        self.silenced: dict[str, bool] = {
            source: self._declare(_SILENCE + source, False, f"fault injection: publish no {source}")
            for source in sources
        }
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, name: str, default: object, text: str, **more: object) -> Any:
        descriptor = ParameterDescriptor(description=text, **more)
        return self._node.declare_parameter(name, default, descriptor).value

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "seed":
                self.seed = parameter.value
            elif parameter.name == "real_time_factor":
                self.real_time_factor = parameter.value
                self._on_rate(parameter.value)
            elif parameter.name.startswith(_SILENCE):
                self.silenced[parameter.name.removeprefix(_SILENCE)] = parameter.value
        return SetParametersResult(successful=True)
