# SPDX-License-Identifier: Apache-2.0
"""The float network with its texts, and its quantized forms through the package's own code."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.layerwise import (
    quantized,
    round_layer,
    unrotate_float_layers,
)
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.observe import InputStatistics, observe_inputs
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.ranges import static_range
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.static_fit import StaticFit
from studies.language_model.network import Llama, find_sites, linear_names
from studies.language_model.variants import Variant

BITS = 8  # of integer activations
BUDGET = 0.05  # products that rotations may add, as `quantvla quantize` has it
_Statistics = Mapping[str, InputStatistics]


def perplexity(network: Llama, windows: Sequence[Tensor]) -> float:
    """Of the tokens of each window [1, T] but its first, given those before."""
    total = 0.0
    with torch.no_grad():
        for tokens in windows:
            total += float(F.cross_entropy(network(tokens)[0, :-1], tokens[0, 1:]))
    return math.exp(total / len(windows))


def observe(network: Llama, windows: Sequence[Tensor]) -> dict[str, InputStatistics]:
    """What all linears are given, with second moments and samples of tokens."""

    def run() -> None:
        for tokens in windows:
            network.states(network.embed_tokens(tokens))

    names = linear_names(network)
    return observe_inputs(network, names, run, hessian=True, full_rank=False, sample=True)


def fit_static(network: Llama, statistics: _Statistics) -> tuple[Llama, dict[str, Any]]:
    """A copy of the network, transformed as static ranges ask for, and what was chosen."""
    out = copy.deepcopy(network)
    kinds = ("smoothquant", "hadamard")
    fit = StaticFit(find_sites(out), kinds, BUDGET, BITS, activation_limit(BITS))
    fit.fit(out, statistics)
    fit.fold(out)
    return out, fit.record()


@dataclass(frozen=True)
class Quantizer:
    """Rounds the layers of a float network, transformed or not."""

    network: Llama
    statistics: _Statistics

    def layer(self, name: str, variant: Variant) -> QuantizedLinear:
        """The quantized form of one linear."""
        linear, seen = linear_at(self.network, name), self.statistics[name]
        precision = Precision(variant.bits, variant.group, variant.activation)
        codes = round_layer(name, linear, precision, seen, variant.rounding)
        scale = None
        if variant.activation == "static":
            limit = activation_limit(BITS)
            scale = torch.tensor(static_range(seen, variant.range, limit).clip / limit)
        return quantized(linear, codes, precision, BITS, scale)

    def whole(self, variant: Variant, kept: Sequence[str] = ()) -> Llama:
        """A copy with every linear quantized but those `kept` float."""
        out = copy.deepcopy(self.network)
        for name in linear_names(self.network):
            if name not in kept:
                replace_module(out, name, self.layer(name, variant))
        unrotate_float_layers(out)
        return out
