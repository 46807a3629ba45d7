# SPDX-License-Identifier: Apache-2.0
"""Fake-quantized layers, and policies of them on disk beside their float bundle.

Their arithmetic is float, on rounded values: for studies of what no kernel computes (weights of 2
and 3 bits, activations of 4, DuQuant's frame). A study is one safetensors file: what differs from
the float bundle, rounded weights included, and a note of each layer's transform. No node loads it;
`python -m studies.evaluation BUNDLE@FILE` plays it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layerwise import load_on_tensors
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.rounding.codes import TINY, grid_limit
from quantvla_ros.quantization.transforms.base import seen_input
from quantvla_ros.quantization.transforms.rotation import RotatedLinear
from quantvla_ros.whole_file import whole_file
from studies.fake_quantization.changes import KEY, KIND, read_head
from studies.fake_quantization.duquant import DuQuantLinear


class StudyLinear(nn.Module):
    """A linear with rounded weights and inputs rounded per token."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, linear: nn.Linear, weight: Tensor, activation_bits: int | None, quantile: float = 1.0
    ) -> None:
        """Take the place of a float layer.

        Args:
            linear: the float layer, with its online transform if it has one.
            weight: rounded values [out, in], in the transform's frame.
            activation_bits: grid of the inputs; None leaves them float.
            quantile: the magnitude within a token that the grid ends at; 1 is the largest.
        """
        super().__init__()
        self.transform = [linear]  # in a list: its float weight is no part of this module
        self.activation_bits, self.quantile = activation_bits, quantile
        self.register_buffer("weight", weight)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        x = seen_input(self.transform[0], x)
        if self.activation_bits is not None:
            limit = grid_limit(self.activation_bits)
            size = x.abs()
            end = (
                size.amax(dim=-1, keepdim=True)
                if self.quantile >= 1.0
                else torch.quantile(size, self.quantile, dim=-1, keepdim=True)
            )
            scale = end.clamp(min=TINY) / limit
            x = (x / scale).round().clamp(-limit, limit) * scale
        return F.linear(x, self.weight, self.bias)


_PARTS = ("smoothing", "first", "order", "second")  # of DuQuant's transform


def save_study(path: Path, network: nn.Module, bundle: Path, bundle_sha256: str) -> None:
    """Write the study of `network`, which has `StudyLinear` layers, whole or not at all."""
    from safetensors.torch import save_file

    loaded = load_bundle(bundle)
    plain = load_on_tensors(loaded.manifest, loaded.tensors).state_dict()
    state = network.state_dict()
    tensors = {
        name: _copy(value)
        for name, value in state.items()
        if name not in plain or not torch.equal(value, plain[name])
    }
    layers = {}
    for name, layer in network.named_modules():
        if not isinstance(layer, StudyLinear):
            continue
        carrier = layer.transform[0]
        layers[name] = {
            "activation_bits": layer.activation_bits,
            "quantile": layer.quantile,
            "rotation": carrier.rotation if isinstance(carrier, RotatedLinear) else None,
            "duquant": isinstance(carrier, DuQuantLinear),
        }
        if isinstance(carrier, DuQuantLinear):
            tensors |= {f"{name}.{part}": _copy(getattr(carrier, part)) for part in _PARTS}
    head = {"kind": KIND, "bundle_sha256": bundle_sha256, "layers": layers}
    with whole_file(path) as draft:
        save_file(tensors, draft, {KEY: json.dumps(head)})


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def apply_study(network: nn.Module, path: Path) -> None:
    """Turn the float network of the study's bundle into the study, in place.

    Raises:
        QuantVLAError: the file is damaged or of another network.
    """
    from safetensors.torch import load_file

    head, tensors = read_head(path), load_file(path)
    try:
        for name, how in head.layers.items():
            replace_module(network, name, _layer(network, name, how, tensors))
    except (KeyError, AttributeError) as error:
        raise QuantVLAError(
            f"'{path}' does not fit the bundle it is played with; run the ablation again."
        ) from error
    network.load_state_dict(tensors, strict=False)  # what transforms and corrections changed


def _layer(
    network: nn.Module, name: str, how: Mapping[str, Any], tensors: dict[str, Tensor]
) -> StudyLinear:
    linear = linear_at(network, name)
    weight = tensors.get(f"{name}.weight", linear.weight.detach())
    carrier = _carrier(linear, name, how, tensors)
    return StudyLinear(carrier, weight, how["activation_bits"], how["quantile"])


def _carrier(
    linear: nn.Linear, name: str, how: Mapping[str, Any], tensors: dict[str, Tensor]
) -> nn.Linear:
    """A linear with the layer's transform; its weight is of no meaning."""
    if how["duquant"]:
        quant = DuQuantLinear.like(linear)
        for part in _PARTS:
            quant.register_buffer(part, tensors.pop(f"{name}.{part}"))
        return quant
    if how["rotation"] is None:
        return linear
    rotated = RotatedLinear.like(linear)
    rotated.rotation = how["rotation"]
    return rotated
