# SPDX-License-Identifier: Apache-2.0
"""Integer linear layer: int8 weights per output channel, activations per token.

The forward pass here is the reference: float32 arithmetic on integer values, which is exact while
``in_features * 127 * activation_limit`` stays below 2**24. The compiled CPU backend swaps the
module for one that multiplies integers (`quantvla_ros.backends.int8_kernel`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WEIGHT_LIMIT = 127
TINY = 1e-8  # keeps the scale of an all-zero token finite


def activation_limit(bits: int) -> int:
    """Largest magnitude on the symmetric activation grid: 127 for 8 bits, 63 for 7."""
    return (1 << (bits - 1)) - 1


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 per output channel, rounded to nearest.

    Args:
        weight: float [out, in].

    Returns:
        int8 [out, in] in -127..127 and float32 scales [out] with ``weight ~ q * scale``.
    """
    scale = weight.abs().amax(dim=1).clamp(min=TINY) / WEIGHT_LIMIT
    quantized = (weight / scale[:, None]).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    return quantized.to(torch.int8), scale.float()


def quantize_activation(x: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Symmetric dynamic grid per token.

    Args:
        x: float [..., in].
        limit: largest magnitude on the grid.

    Returns:
        Integers as float [..., in] and scales [..., 1].
    """
    scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=TINY) / limit
    return (x / scale).round(), scale


class IntegerLinear(nn.Module):
    """Linear layer on integers; the accumulator is scaled by token and by output channel."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None, bits: int) -> None:
        super().__init__()
        self.activation_bits = bits
        self.limit = activation_limit(bits)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    @classmethod
    def from_linear(cls, linear: nn.Linear, bits: int) -> IntegerLinear:
        """Quantize a float layer."""
        weight, scale = quantize_weight(linear.weight.detach())
        bias = None if linear.bias is None else linear.bias.detach().clone()
        return cls(weight, scale, bias, bits)

    @classmethod
    def empty(cls, linear: nn.Linear, bits: int) -> IntegerLinear:
        """A layer of the same shape, to be filled from a bundle."""
        return cls(
            torch.zeros(linear.out_features, linear.in_features, dtype=torch.int8),
            torch.ones(linear.out_features),
            None if linear.bias is None else torch.zeros(linear.out_features),
            bits,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., in] to float [..., out]."""
        quantized, token_scale = quantize_activation(x, self.limit)
        accumulator = quantized @ self.weight.float().T
        out = accumulator * token_scale * self.scale
        return out if self.bias is None else out + self.bias


def replace_module(network: nn.Module, name: str, new: nn.Module) -> None:
    """Put `new` where the dotted `name` stands."""
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, new)


def make_integer(network: nn.Module, names: list[str], bits: int) -> None:
    """Quantize the named linears of `network` in place."""
    for name in names:
        linear = network.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        replace_module(network, name, IntegerLinear.from_linear(linear, bits))


def integer_layers(network: nn.Module) -> list[str]:
    """Names of the integer layers that the network really holds."""
    return [name for name, module in network.named_modules() if isinstance(module, IntegerLinear)]
