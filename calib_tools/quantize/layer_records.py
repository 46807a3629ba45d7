# SPDX-License-Identifier: Apache-2.0
"""A quantized network as a bundle holds it: a record of each layer, and tensors as on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from quantvla_ros.bundle.schema import LayerRecord
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers

Scheme = Literal["w8a8", "w4a8", "w8a16", "w4a16", "mixed"]


def layer_records(network: nn.Module, roles: Mapping[str, str]) -> list[LayerRecord]:
    """How every linear of the network is held; `roles` are those of its float form."""
    return [_record(name, role, network.get_submodule(name)) for name, role in roles.items()]


def _record(name: str, role: str, layer: nn.Module) -> LayerRecord:
    if isinstance(layer, nn.Linear):
        rows, cols = layer.weight.shape
        return LayerRecord(name=name, role=role, precision="float", rows=rows, cols=cols)
    assert isinstance(layer, QuantizedLinear)
    held = layer.precision
    return LayerRecord(
        name=name,
        role=role,
        precision="int8" if held.weight_bits == 8 else "int4",
        rows=layer.scale.shape[0],
        cols=layer.columns,
        group=held.group,
        activation=held.activation,
        rotation=layer.rotation,
    )


def named_scheme(scheme: str, records: list[LayerRecord]) -> Scheme:
    """The scheme, or "mixed" where integer layers differ in their bits."""
    kinds = {record.precision for record in records} - {"float"}
    known: dict[str, Scheme] = {"w8a8": "w8a8", "w4a8": "w4a8", "w8a16": "w8a16", "w4a16": "w4a16"}
    only = {"int8": f"w8{scheme[2:]}", "int4": f"w4{scheme[2:]}"}
    if len(kinds) > 1:
        return "mixed"
    return known[only[kinds.pop()] if kinds else scheme]


def _in_16_bits(network: nn.Module) -> list[tuple[str, Tensor]]:
    """The tensors that bundles hold as 16-bit floats: all but integers and their scales."""
    exact = {
        f"{name}.{part}"
        for name in quantized_layers(network)
        for part in ("scale", "activation_scale")
    }
    state = network.state_dict().items()
    return [(k, v) for k, v in state if v.dtype == torch.float32 and k not in exact]


def on_disk(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all tensors as a bundle holds them."""
    halves = {name: value.half() for name, value in _in_16_bits(network)}
    state = network.state_dict().items()
    return {name: halves[name] if name in halves else value.clone() for name, value in state}


def round_to_disk(network: nn.Module) -> None:
    """Give the network the values that it will have when it is loaded again."""
    with torch.no_grad():
        for _, value in _in_16_bits(network):
            value.copy_(value.half())
