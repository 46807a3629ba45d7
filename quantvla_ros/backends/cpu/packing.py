# SPDX-License-Identifier: Apache-2.0
"""Swap quantized layers for packed ones; layers that read the same input share one product."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from quantvla_ros.backends.cpu.kernels import pack
from quantvla_ros.backends.cpu.linear_operator import multiply, register
from quantvla_ros.backends.cpu.packed_weight import PackedWeight, product_of
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import (
    QuantizedLinear,
    quantized_layers,
    rotated,
)


class PackedLinear(nn.Module):
    """Some output channels of a packed product.

    Siblings are called on the same tensor. They call the same operator on it and cut out their own
    channels; a compiled graph quantizes it once and multiplies once, because equal calls of a pure
    operator are merged.
    """

    bias: Tensor | None

    def __init__(
        self, packed: PackedWeight, handle: int, rows: slice, layer: QuantizedLinear
    ) -> None:
        super().__init__()
        self.handle, self.rows, self.rotation = handle, rows, layer.rotation
        self.packed = packed
        self.register_buffer("bias", layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., in] to float [..., out]."""
        product = multiply(rotated(x, self.rotation).flatten(0, -2), self.handle)
        out = product.view(*x.shape[:-1], product.shape[-1])[..., self.rows]
        return out if self.bias is None else out + self.bias

    @property
    def held_bytes(self) -> int:
        """This layer's part of the packed bytes."""
        share: int = self.rows.stop - self.rows.start
        held: int = self.packed.held_bytes * share // self.packed.rows
        return held


def pack_network(
    network: nn.Module,
    siblings: Sequence[tuple[str, ...]] = (),
    unused: frozenset[str] = frozenset(),
) -> str:
    """Swap every quantized layer of `network` for its packed form.

    Args:
        network: changed in place.
        siblings: layers that are called on the same tensor, see `Family.siblings`.
        unused: layers that inference never calls; they join no siblings, which would compute
            them for nothing.

    Returns:
        Names of the kernels for records, with the activation grid; "float32" without such layers.

    Raises:
        BackendError: this CPU does not multiply a layer's integers exactly.
    """
    layers, names = quantized_layers(network), set()
    bits = {m.activation_bits for m in layers.values() if m.precision.activation != "float"}
    for group in _groups(layers, siblings, unused):
        parts = {name: layers.pop(name) for name in group}  # let go of once they are packed
        packed = pack(product_of(list(parts.values())))
        handle, start = register(packed), 0
        names.add(packed.name)
        for name, layer in parts.items():
            rows = slice(start, start + layer.scale.shape[0])
            replace_module(network, name, PackedLinear(packed, handle, rows, layer))
            start = rows.stop
    grid = f", {bits.pop()}-bit activations" if bits else ""
    return " and ".join(sorted(names)) + grid if names else "float32"


def _groups(
    layers: dict[str, QuantizedLinear], siblings: Sequence[tuple[str, ...]], unused: frozenset[str]
) -> list[list[str]]:
    """Lists of layers to be packed together, each in the order of its siblings."""
    family = {name: group for group in siblings for name in group}
    remaining, groups = dict.fromkeys(layers), []
    for name in layers:
        if name not in remaining:
            continue
        group = [member for member in family.get(name, (name,)) if member in remaining]
        form = _form(layers[name])
        group = [n for n in group if n not in unused and _form(layers[n]) == form]
        group = [name] if name in unused else group
        groups.append(group)
        for member in group:
            del remaining[member]
    return groups


def _form(layer: QuantizedLinear) -> tuple[object, ...]:
    """What siblings must have in common to share a product."""
    step = None if layer.activation_scale is None else float(layer.activation_scale)
    return layer.precision, layer.activation_bits, layer.rotation, step
