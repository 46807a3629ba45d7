# SPDX-License-Identifier: Apache-2.0
"""Which layers stay float: those that change the next token's probabilities most, each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from quantvla_ros.quantization.modules import linear_at
from quantvla_ros.quantization.selection import dearest
from quantvla_ros.quantization.sensitivity import swapped
from studies.language_model.network import Llama


class Divergence:
    """How far quantized layers take the next token's probabilities from the float network's."""

    def __init__(self, network: Llama, windows: Sequence[Tensor]) -> None:
        """Run the float `network` on windows [1, T]; its states are kept."""
        self._network = network
        self._runs: list[tuple[list[Tensor], Tensor]] = []
        with torch.no_grad():
            for tokens in windows:
                states = network.states(network.embed_tokens(tokens))
                self._runs.append((states, network.logits(states[-1]).log_softmax(dim=-1)))

    def of(self, modules: Mapping[str, nn.Module]) -> float:
        """Mean Kullback-Leibler divergence with these in the place of layers of one block."""
        first = min(int(name.split(".")[1]) for name in modules)
        total = 0.0
        with torch.no_grad(), ExitStack() as stack:
            for name, module in modules.items():
                stack.enter_context(swapped(self._network, name, module))
            for states, wanted in self._runs:
                end = self._network.states(states[first], first)[-1]
                got = self._network.logits(end).log_softmax(dim=-1)
                total += float((wanted.exp() * (wanted - got)).sum(dim=-1).mean())
        return total / len(self._runs)


def left_float(network: Llama, errors: Mapping[tuple[str, ...], float], share: float) -> list[str]:
    """The layers of the dearest groups that hold at most `share` of all weights."""
    apart = {name: error / len(group) for group, error in errors.items() for name in group}
    weights = {name: linear_at(network, name).weight.numel() for name in apart}
    return dearest(apart, weights, list(errors), share)
