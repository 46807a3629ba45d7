# SPDX-License-Identifier: Apache-2.0
"""Schemes: how a linear layer's weights are held and how its product is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from quantvla_ros.errors import QuantVLAError

Activation = Literal["dynamic", "static", "float"]

WEIGHT_BITS = (2, 3, 4, 8)  # 2 and 3 are for studies; they are stored as 4 bits


@dataclass(frozen=True)
class Precision:
    """How one linear is held and computed.

    Attributes:
        weight_bits: bits of a weight, symmetric around zero.
        group: input columns that share a scale; None: one scale per output channel.
        activation: "dynamic": integers, one scale per token, found at run time; "static":
            integers, one scale per layer, fixed by calibration; "float": not quantized.
    """

    weight_bits: int
    group: int | None = None
    activation: Activation = "dynamic"

    def __post_init__(self) -> None:
        """Raise QuantVLAError for a combination that no kernel computes."""
        if self.weight_bits not in WEIGHT_BITS:
            raise QuantVLAError(
                f"{self.weight_bits}-bit weights are not known; choose one of {WEIGHT_BITS}"
            )
        if self.group is None:
            return
        if self.weight_bits == 8:
            raise QuantVLAError(
                "8-bit weights have one scale per output channel; leave the group size out, or "
                "choose a scheme with 4-bit weights"
            )
        if self.group <= 0:
            raise QuantVLAError(f"a group of {self.group} inputs is not possible; give a size")

    @property
    def packed(self) -> bool:
        """True when two weights share a byte."""
        return self.weight_bits <= 4

    def groups(self, columns: int) -> int:
        """Number of scales of an output channel with `columns` inputs.

        Raises:
            QuantVLAError: the group size does not divide `columns`.
        """
        if self.group is None:
            return 1
        if columns % self.group:
            raise QuantVLAError(
                f"groups of {self.group} do not divide a layer with {columns} inputs; choose a "
                "group size that does"
            )
        return columns // self.group


def _integer(bits: int, activation: Activation, group: int | None) -> Precision:
    if activation == "float":
        raise QuantVLAError(
            f"w{bits}a8 has integer activations; choose dynamic or static, or scheme w{bits}a16"
        )
    return Precision(bits, group, activation)


def _weight_only(bits: int, activation: Activation, group: int | None) -> Precision:
    if activation == "static":
        raise QuantVLAError(
            f"w{bits}a16 leaves activations float and has no static ranges; leave them out, or "
            f"choose scheme w{bits}a8"
        )
    return Precision(bits, group, "float")


SCHEMES: dict[str, Callable[[Activation, int | None], Precision]] = {
    "w8a8": partial(_integer, 8),
    "w4a8": partial(_integer, 4),
    "w8a16": partial(_weight_only, 8),
    "w4a16": partial(_weight_only, 4),
}


def check_scheme(scheme: str) -> None:
    """Raise QuantVLAError for a scheme that this package does not know."""
    if scheme not in SCHEMES:
        raise QuantVLAError(f"unknown scheme '{scheme}'; known schemes: {', '.join(SCHEMES)}")


def has_integer_activations(scheme: str) -> bool:
    """Whether a named scheme multiplies integers, whose ranges can be dynamic or static."""
    return scheme.endswith("a8")


def precision(
    scheme: str, activation: Activation = "dynamic", group: int | None = None
) -> Precision:
    """The precision of a named scheme.

    Args:
        scheme: a key of `SCHEMES`.
        activation: ranges of integer activations; of no meaning where they stay float.
        group: see `Precision`.

    Raises:
        QuantVLAError: unknown scheme, or a combination that no kernel computes.
    """
    check_scheme(scheme)
    return SCHEMES[scheme](activation, group)
