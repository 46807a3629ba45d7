# SPDX-License-Identifier: Apache-2.0
"""Real-time chunking: a flow policy continues the chunk that is being executed.

Source: Black, Galliker and Levine, Real-Time Execution of Action Chunking Flow Policies, 2025:
inpainting with soft weights (their equation 5). Their guidance takes a vector-Jacobian product
through the network in each step. Compiled graphs and integer kernels have no gradient, and it would
double the time of a step. So here the estimate of the clean chunk is itself drawn to the target:
their form with the identity as Jacobian and one over the flow time left as guidance weight. A row
of weight 1 then runs straight from its noise to its target, which is just where the flow was
trained to see it, and the other rows attend to it. The pull of a step is at most the whole way, so
few steps are stable too.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from quantvla_ros.bundle.schema import BundleManifest


def prefix_weights(horizon: int, committed: int, known: int) -> Tensor:
    """Weights [horizon] of the rows of a chunk.

    Args:
        horizon: rows of the chunk.
        committed: rows of weight 1, at the beginning.
        known: rows for which there is a target, the committed ones included; from the first row
            after the committed ones the weights fall towards 0 at row ``known``.
    """
    rows = torch.arange(horizon, dtype=torch.float32)
    left = ((known - rows) / (known - committed + 1)).clamp(0.0, 1.0)
    soft = left * torch.expm1(left) / math.expm1(1.0)
    return torch.where(rows < committed, torch.ones_like(soft), soft)


class Guidance(Protocol):
    """What makes a flow continue the chunk in execution."""

    def start(self, noise: Tensor) -> Tensor:
        """Where the flow starts, of noise [B, rows, width]."""
        ...

    def velocity(self, x_t: Tensor, velocity: Tensor, left: float) -> Tensor:
        """The flow's velocity as it is to be followed.

        Args:
            x_t: chunk under way [B, rows, width].
            velocity: of the network, there.
            left: flow time from here to the action, with its sign; not 0.
        """
        ...


class PrefixGuidance:
    """Draws a chunk under way to the target of its first rows."""

    def __init__(self, target: Tensor, committed: int, horizon: int, width: int) -> None:
        """Take the normalized target [B, K, actions]; see `prefix_weights`.

        The network's columns up to `width` that are no action are drawn to 0, as in training.
        """
        known, actions = target.shape[1:]
        room = (0, width - actions, 0, horizon - known)
        self._target = torch.nn.functional.pad(target.float(), room)
        weights = prefix_weights(horizon, committed, known)[None, :, None]
        self._weights = weights.to(target.device)

    def start(self, noise: Tensor) -> Tensor:
        """See `Guidance`: the noise itself."""
        return noise

    def velocity(self, x_t: Tensor, velocity: Tensor, left: float) -> Tensor:
        """See `Guidance`: with the pull added."""
        clean = x_t + left * velocity
        return velocity + self._weights * (self._target - clean) / left


def draw_to_prefix(target: Tensor, committed: int, manifest: BundleManifest) -> Guidance:
    """`PrefixGuidance` of a manifest's policy; see `Family.guidance`."""
    return PrefixGuidance(target, committed, *manifest.noise_shape)
