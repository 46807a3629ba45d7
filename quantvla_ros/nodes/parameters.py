# SPDX-License-Identifier: Apache-2.0
"""Declare and read the policy node's parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS, UNWATCHED_AT_ZERO
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.parameter_table import (
    ParameterError,
    ParameterInfo,
    parameter_table,
    validate,
)

_JOINT_LIMITS = "joint_limits."
_TYPES = {
    "string": ParameterType.PARAMETER_STRING,
    "bool": ParameterType.PARAMETER_BOOL,
    "int": ParameterType.PARAMETER_INTEGER,
    "double": ParameterType.PARAMETER_DOUBLE,
}


def descriptor(info: ParameterInfo) -> ParameterDescriptor:
    """Return the ROS descriptor (text, type, range) of one parameter."""
    result = ParameterDescriptor(
        name=info.name,
        type=_TYPES[info.kind],
        description=info.text + (f" Unit: {info.unit}." if info.unit else ""),
        additional_constraints=", ".join(info.choices),
    )
    if info.lower is not None and info.upper is not None:
        if info.kind == "int":
            result.integer_range = [
                IntegerRange(from_value=int(info.lower), to_value=int(info.upper), step=1)
            ]
        else:
            result.floating_point_range = [
                FloatingPointRange(from_value=float(info.lower), to_value=float(info.upper))
            ]
    return result


def declare(node: Node) -> None:
    """Declare every parameter of the model on ``node``.

    Raises:
        ParameterError: an override of a wrong type or out of range; names it and its range.
    """
    for info in parameter_table():
        try:
            node.declare_parameter(info.name, info.default, descriptor(info))
        except (InvalidParameterTypeException, InvalidParameterValueException):
            allowed = f" from {info.range_text}" if info.range_text else ""
            # ROS does not take 1 for 1.0, and its own message does not say so.
            hint = " (write 1.0, not 1)" if info.kind == "double" else ""
            raise ParameterError(
                f"Parameter '{info.name}' must be of type {info.kind}{allowed}{hint}."
            ) from None


def read(node: Node) -> PolicyNodeParameters:
    """Return the node's current parameters, validated.

    Raises:
        ParameterError: a value out of range, or none at all.
    """
    return validate({info.name: _value(node, info.name) for info in parameter_table()})


def _value(node: Node, name: str) -> Any:
    try:
        return node.get_parameter(name).value
    except ParameterUninitializedException:
        raise ParameterError(
            f"Parameter '{name}' stands in the parameter file without a value; give one."
        ) from None


def check_change(
    node: Node, parameters: Sequence[Parameter], configured: bool
) -> SetParametersResult:
    """Judge a request to set parameters; those that are not live wait for an unconfigured node.

    A declaration comes by this way too, and is no change.
    """
    table = {info.name: info for info in parameter_table()}
    values = {name: node.get_parameter(name).value for name in table if node.has_parameter(name)}
    for parameter in parameters:
        info = table.get(parameter.name)
        fixed = parameter.name.startswith(_JOINT_LIMITS) or parameter.name == "use_sim_time"
        if info is None and not fixed:
            continue
        declared = node.has_parameter(parameter.name)
        if configured and declared and (fixed or (info is not None and not info.live)):
            return SetParametersResult(
                successful=False,
                reason=f"Parameter '{parameter.name}' is read when the node is configured: "
                "clean the node up, set it, and configure again.",
            )
        if fixed:
            continue
        values[parameter.name] = parameter.value
    try:
        validate(values)
    except QuantVLAError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def declare_joint_limits(node: Node, joints: Sequence[str]) -> dict[str, dict[str, float]]:
    """Declare and read ``joint_limits.<joint>.<key>``, the keys of `JOINT_LIMIT_TEXTS`.

    Returns:
        key -> joint -> value; joints without a value are left out.

    Raises:
        ParameterError: a value that is not a positive number (a tolerance or a jump may be 0).
    """
    limits: dict[str, dict[str, float]] = {key: {} for key in JOINT_LIMIT_TEXTS}
    for joint in joints:
        for key, (text, unit) in JOINT_LIMIT_TEXTS.items():
            name = f"{_JOINT_LIMITS}{joint}.{key}"
            if not node.has_parameter(name):
                node.declare_parameter(
                    name,
                    None,
                    ParameterDescriptor(description=f"{text} Unit: {unit}.", dynamic_typing=True),
                )
            value = node.get_parameter(name).value
            if value is None:
                continue
            if not (_positive(value) or (key in UNWATCHED_AT_ZERO and value == 0)):
                raise ParameterError(f"Parameter '{name}' is {value!r}, it must be above 0.")
            limits[key][joint] = float(value)
    return limits


def _positive(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0
