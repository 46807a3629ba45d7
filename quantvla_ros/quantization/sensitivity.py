# SPDX-License-Identifier: Apache-2.0
"""What one quantized layer alone does to the action."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantvla_ros.models.mini_pi05.network import Pi05, Prefix
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.teacher import Sample, encode_all

_ENCODER = ("language_model.", "vision_tower.", "multi_modal_projector", "state_")


def changes_prefix(name: str) -> bool:
    """True for layers of the half that runs once an observation."""
    return name.startswith(_ENCODER)


@dataclass(frozen=True)
class ActionError:
    """Difference to the float policy, normalized.

    Attributes:
        chunk: mean absolute difference of the chunks.
        steps: mean absolute difference of the velocity in each denoise step, first step first.
    """

    chunk: float
    steps: list[float]


class ActionMeter:
    """Compares networks with the float network that it was made with."""

    def __init__(self, network: Pi05, samples: Sequence[Sample], steps: int) -> None:
        """Record chunks, velocities and prefixes of the float `network` on `samples`."""
        self._samples, self._steps = samples, steps
        self._prefixes = encode_all(network, samples)
        self._chunks, self._velocities = self._flow(network, self._prefixes)

    def _flow(self, network: Pi05, prefixes: Sequence[Prefix]) -> tuple[Tensor, Tensor]:
        """Chunks [N, horizon, actions] and velocities [N, steps, horizon, actions]."""
        chunks, velocities = [], []
        with torch.no_grad():
            for sample, prefix in zip(self._samples, prefixes, strict=True):
                x, visited = sample.noise.float(), []
                for step in range(self._steps):
                    t = torch.full((1,), 1.0 - step / self._steps)
                    visited.append(network.denoise(x, t, prefix))
                    x = x - visited[-1] / self._steps
                chunks.append(x)
                velocities.append(torch.stack(visited, dim=1))
        return torch.cat(chunks), torch.cat(velocities)

    def measure(self, network: Pi05, same_prefix: bool) -> ActionError:
        """Error of `network`; with `same_prefix` only its action head differs from float."""
        prefixes = self._prefixes if same_prefix else encode_all(network, self._samples)
        chunks, velocities = self._flow(network, prefixes)
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


def measure_layer(network: Pi05, name: str, module: nn.Module, meter: ActionMeter) -> ActionError:
    """Action error with `module` in the place of one layer; all others stay as they are."""
    with swapped(network, name, module):
        return meter.measure(network, same_prefix=not changes_prefix(name))
