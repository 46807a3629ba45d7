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

from calib_tools.quantize.work_directory import StoredLayer, WorkDirectory
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
from studies.language_model.network import Llama, find_sites, groups_of, linear_names
from studies.language_model.variants import Variant

BITS = 8  # of integer activations
LIMIT = activation_limit(BITS)
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
    given = [network.embed_tokens(tokens) for tokens in windows]
    return _observe_layers(network, linear_names(network), given, 0, None)


def _observe_layers(
    network: Llama, names: Sequence[str], given: Sequence[Tensor], first: int, end: int | None
) -> dict[str, InputStatistics]:
    def run() -> None:
        for x in given:
            network.states(x, first, end)

    return observe_inputs(network, names, run, hessian=True, sample=True)


def fit_static(network: Llama, statistics: _Statistics) -> tuple[Llama, dict[str, Any]]:
    """A copy of the network, transformed as static ranges ask for, and what was chosen."""
    out = copy.deepcopy(network)
    kinds = ("smoothquant", "hadamard")
    fit = StaticFit(find_sites(out), kinds, BUDGET, BITS, LIMIT)
    fit.fit(out, statistics)
    fit.fold(out)
    return out, fit.record()


@dataclass(frozen=True)
class Subject:
    """A float network, transformed or not, and what its linears are given."""

    network: Llama
    statistics: _Statistics


class Quantizer:
    """Rounds the layers of a subject in one way; finished ones lie in a work directory."""

    def __init__(self, subject: Subject, variant: Variant, work: WorkDirectory) -> None:
        self._subject, self._variant, self._work = subject, variant, work
        self._precision = Precision(variant.bits, variant.group, variant.activation)
        groups = groups_of(subject.network)
        self._readers = {name: group for group in groups for name in group}

    def layer(self, name: str, seen: InputStatistics | None = None) -> QuantizedLinear:
        """The quantized form of one linear, by its input: the subject's, or as `seen`."""
        work, bits = self._work, self._variant.bits
        if not work.has_layer(name, bits):
            work.keep_layer(name, bits, self._rounded(name, seen or self._subject.statistics[name]))
        stored, scale = work.layer(name, bits), None
        if stored.clip is not None:
            scale = torch.tensor(stored.clip / LIMIT)
        linear = linear_at(self._subject.network, name)
        return quantized(linear, stored.codes, self._precision, BITS, scale)

    def _rounded(self, name: str, seen: InputStatistics) -> StoredLayer:
        network = self._subject.network
        linear = linear_at(network, name)
        codes = round_layer(name, linear, self._precision, seen, self._variant.rounding)
        if self._variant.activation != "static":
            return StoredLayer(codes, None, {})
        readers = [linear_at(network, reader).weight for reader in self._readers[name]]
        chosen = static_range(seen, self._variant.range, LIMIT, readers)
        return StoredLayer(codes, chosen.clip, {})

    def whole(self, kept: Sequence[str] = ()) -> Llama:
        """A copy with every linear quantized but those `kept` float."""
        out = copy.deepcopy(self._subject.network)
        for name in linear_names(self._subject.network):
            if name not in kept:
                replace_module(out, name, self.layer(name))
        unrotate_float_layers(out)
        return out

    def in_sequence(self, windows: Sequence[Tensor]) -> Llama:
        """As `whole`, each block by the inputs that it gets behind the quantized ones."""
        out = copy.deepcopy(self._subject.network)
        given = [out.embed_tokens(tokens) for tokens in windows]
        with torch.no_grad():
            for index in range(out.config.layers):
                names = [n for n in linear_names(out) if n.startswith(f"layers.{index}.")]
                seen: _Statistics = {}
                if not all(self._work.has_layer(name, self._variant.bits) for name in names):
                    seen = _observe_layers(out, names, given, index, index + 1)
                for name in names:
                    replace_module(out, name, self.layer(name, seen.get(name)))
                given = [out.states(x, index, index + 1)[-1] for x in given]
        return out
