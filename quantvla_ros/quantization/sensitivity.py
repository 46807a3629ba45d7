# SPDX-License-Identifier: Apache-2.0
"""What one quantized layer alone does to the action."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from quantvla_ros.models.family import Network, Stage
from quantvla_ros.models.flow import Flow
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.teacher import Sample, encode_all


@dataclass(frozen=True)
class ActionError:
    """Difference to the float policy, normalized.

    Attributes:
        chunk: mean absolute difference of the chunks.
        steps: mean absolute difference of the velocity in each step of the flow, first step first.
    """

    chunk: float
    steps: list[float]


class ActionMeter:
    """Compares networks with the float network that it was made with."""

    def __init__(self, network: Network, samples: Sequence[Sample], flow: Flow) -> None:
        """Record chunks, velocities and contexts of the float `network` on `samples`."""
        self._samples, self._flow = samples, flow
        self._contexts = encode_all(network, samples)
        self._chunks, self._velocities = self._run(network, self._contexts)

    def _run(self, network: Network, contexts: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Chunks [N, horizon, actions] and velocities [N, steps, horizon, actions]."""
        chunks, velocities = [], []
        with torch.no_grad():
            for sample, context in zip(self._samples, contexts, strict=True):
                velocity = partial(network.velocity, context=context)
                steps = list(self._flow.integrate(velocity, sample.noise))
                chunks.append(steps[-1].x_next)
                velocities.append(torch.stack([step.velocity for step in steps], dim=1))
        return torch.cat(chunks), torch.cat(velocities)

    def measure(self, network: Network, same_context: bool) -> ActionError:
        """Error of `network`; with `same_context` only its action head differs from float."""
        contexts = self._contexts if same_context else encode_all(network, self._samples)
        chunks, velocities = self._run(network, contexts)
        steps = (velocities - self._velocities).abs().mean(dim=(0, 2, 3))
        return ActionError(float((chunks - self._chunks).abs().mean()), steps.tolist())


@contextmanager
def swapped(network: nn.Module, name: str, module: nn.Module) -> Iterator[None]:
    """`module` stands in the place `name` while the block runs."""
    before = network.get_submodule(name)
    replace_module(network, name, module)
    try:
        yield
    finally:
        replace_module(network, name, before)


def measure_layer(
    network: Network, name: str, module: nn.Module, stage: Stage, meter: ActionMeter
) -> ActionError:
    """Action error with `module` in the place of one layer; all others stay as they are."""
    with swapped(network, name, module):
        return meter.measure(network, same_context=stage == "step")
