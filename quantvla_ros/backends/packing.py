# SPDX-License-Identifier: Apache-2.0
"""Swap integer layers for packed ones; layers that read the same input share one product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quantvla_ros.backends.int8_kernel import PackedWeight, multiply, pack, register
from quantvla_ros.quantization.integer_linear import (
    IntegerLinear,
    integer_layers,
    replace_module,
)

# Siblings that are called on the same tensor; a compiled graph then quantizes it once and
# multiplies once, because equal calls of a pure operator are merged.
SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class PackedLinear(nn.Module):
    """Some output channels of a packed product.

    Siblings call the same operator on the same input and cut out their own channels.
    """

    bias: Tensor | None

    def __init__(
        self, packed: PackedWeight, handle: int, rows: slice, layer: IntegerLinear
    ) -> None:
        super().__init__()
        self.handle, self.rows = handle, rows
        self.packed = packed
        self.register_buffer("bias", layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., in] to float [..., out]."""
        product = multiply(x.flatten(0, -2), self.handle)
        out = product.view(*x.shape[:-1], product.shape[-1])[..., self.rows]
        return out if self.bias is None else out + self.bias

    @property
    def held_bytes(self) -> int:
        """This layer's part of the packed bytes."""
        share: int = self.rows.stop - self.rows.start
        held: int = self.packed.held_bytes * share // self.packed.rows
        return held


def pack_network(network: nn.Module, unused: frozenset[str] = frozenset()) -> int:
    """Swap every integer layer of `network` for its packed form.

    Args:
        network: changed in place.
        unused: layers that inference never calls; they join no siblings, which would compute
            them for nothing.

    Returns:
        The number of layers packed.
    """
    names = integer_layers(network)
    for group in _groups(names, unused):
        layers = [network.get_submodule(name) for name in group]
        integer = [layer for layer in layers if isinstance(layer, IntegerLinear)]
        packed = pack(
            torch.cat([layer.weight for layer in integer]),
            torch.cat([layer.scale for layer in integer]),
            integer[0].activation_bits,
        )
        handle, start = register(packed), 0
        for name, layer in zip(group, integer, strict=True):
            rows = slice(start, start + layer.weight.shape[0])
            replace_module(network, name, PackedLinear(packed, handle, rows, layer))
            start = rows.stop
    return len(names)


def _groups(names: list[str], unused: frozenset[str]) -> list[list[str]]:
    """Lists of layers to be packed together, each in the order of `SIBLINGS`."""
    remaining, groups = dict.fromkeys(names), []
    for name in names:
        if name not in remaining:
            continue
        parent, _, leaf = name.rpartition(".")
        siblings = next((s for s in SIBLINGS if leaf in s), (leaf,))
        group = [f"{parent}.{s}" for s in siblings if f"{parent}.{s}" in remaining]
        group = [name] if name in unused else [n for n in group if n not in unused]
        groups.append(group)
        for member in group:
            del remaining[member]
    return groups


def packed_kernel(network: nn.Module) -> str:
    """Names of the kernels that a packed network runs, for records."""
    layers = [m for m in network.modules() if isinstance(m, PackedLinear)]
    return " and ".join(sorted({layer.packed.name for layer in layers}))
