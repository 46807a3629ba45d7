# SPDX-License-Identifier: Apache-2.0
"""What is compared: number formats, roundings and ranges, and the recipe for static ranges."""

from __future__ import annotations

from dataclasses import dataclass

from quantvla_ros.quantization.schemes import Activation


@dataclass(frozen=True)
class Variant:
    """One way to hold all linears.

    Attributes:
        name: in the record.
        bits: of the weights.
        rounding: of the weights, as `quantvla quantize` calls it.
        activation: how inputs are held.
        range: how static ranges are chosen.
        group: inputs that share a scale of the weights.
        fitted: SmoothQuant and Hadamard rotation, fitted to the static ranges.
        float_share: of the weights may stay float.
        sequential: each block is rounded on what the quantized ones before it give.
    """

    name: str
    bits: int = 8
    rounding: str = "rtn"
    activation: Activation = "dynamic"
    range: str = "output"
    group: int | None = None
    fitted: bool = False
    float_share: float = 0.0
    sequential: bool = False

    @property
    def form(self) -> str:
        """A name for how layers are rounded; variants of one form share them."""
        told = [self.bits, self.rounding, self.activation, self.range, self.group, self.fitted]
        told += ["sequential"] if self.sequential else []
        return "-".join(str(part) for part in told)


VARIANTS = (
    Variant("w8a8 dynamic, to nearest"),
    Variant(
        "w8a8 static, the recipe, all layers", 8, "gptq", "static", fitted=True
    ),
    Variant(
        "w8a8 static, the recipe, 95 % of the weights", 8, "gptq", "static", fitted=True,
        float_share=0.05,
    ),
    Variant("w8a8 static, MSE", activation="static", range="mse"),
    Variant("w4a8 dynamic, to nearest", 4),
    Variant("w4a8 dynamic, GPTQ", 4, "gptq"),
    Variant("w4a8 dynamic, GPTQ, groups of 64", 4, "gptq", group=64),
    Variant(
        "w4a8 dynamic, GPTQ in sequence, groups of 64", 4, "gptq", group=64, sequential=True
    ),
    Variant("w4a16, to nearest", 4, activation="float"),
    Variant("w4a16, GPTQ, groups of 64", 4, "gptq", "float", group=64),
    Variant("w8a8 static, absmax", activation="static", range="absmax"),
    Variant("w8a16, to nearest", activation="float"),
)  # fmt: skip
