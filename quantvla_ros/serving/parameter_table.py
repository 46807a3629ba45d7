# SPDX-License-Identifier: Apache-2.0
"""The policy node's parameters as a table: for their declaration, the pages and error sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.parameter_model import PolicyNodeParameters


class ParameterError(QuantVLAError):
    """A parameter has a wrong type or lies out of its range."""


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter as the declaration and the pages need it."""

    name: str
    kind: Literal["string", "bool", "int", "double"]
    default: str | bool | int | float
    text: str
    unit: str
    live: bool
    lower: float | None
    upper: float | None
    choices: tuple[str, ...]

    @property
    def range_text(self) -> str:
        """Return the allowed values in words, empty when every value of the type is allowed."""
        if self.choices:
            return ", ".join(self.choices)
        if self.lower is None or self.upper is None:
            return ""
        return f"{self.lower:g} to {self.upper:g}"


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    lower = upper = None
    for limit in info.metadata:
        for name in ("ge", "gt"):
            lower = getattr(limit, name, lower)
        upper = getattr(limit, "le", upper)
    return lower, upper


def parameter_table() -> list[ParameterInfo]:
    """Return every parameter of the model in order."""
    kinds = {str: "string", bool: "bool", int: "int", float: "double"}
    table = []
    for name, info in PolicyNodeParameters.model_fields.items():
        choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
        extra = info.json_schema_extra
        assert isinstance(extra, dict)
        lower, upper = _bounds(info)
        table.append(
            ParameterInfo(
                name=name,
                kind="string" if choices else kinds[info.annotation],  # type: ignore[index,arg-type]
                default=info.default,
                text=info.description or "",
                unit=str(extra["unit"]),
                live=bool(extra["live"]),
                lower=lower,
                upper=upper,
                choices=choices,
            )
        )
    return table


def validate(values: Mapping[str, Any]) -> PolicyNodeParameters:
    """Return the typed parameters.

    Raises:
        ParameterError: a value of a wrong type or out of range; names parameter, value and range.
    """
    try:
        return PolicyNodeParameters(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        known = {info.name: info for info in parameter_table()}
        if name not in known:
            raise ParameterError(f"Parameter '{name}' is unknown.") from None
        info = known[name]
        allowed = f" from {info.range_text}" if info.range_text else ""
        raise ParameterError(
            f"Parameter '{name}' is {values[name]!r}, it must be of type {info.kind}{allowed}."
        ) from None
