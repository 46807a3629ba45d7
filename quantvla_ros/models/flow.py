# SPDX-License-Identifier: Apache-2.0
"""Integration of the flow from noise to an action chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.models.guidance import PrefixGuidance
from quantvla_ros.models.mini_pi05.network import Prefix


def integrate(
    network: Any,
    noise: Tensor,
    prefix: Prefix,
    steps: int,
    guidance: PrefixGuidance | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """Euler integration of the flow from noise (t = 1) to the normalized chunk (t = 0).

    The sum is kept in float32 outside the network.

    Args:
        network: has `denoise`.
        noise: [B, horizon, actions].
        prefix: what `encode` returned.
        steps: of the integration.
        guidance: continues the chunk in execution.
        after_step: called after each step, to take its time.
    """
    x = noise.float()
    for step in range(steps):
        time = 1.0 - step / steps
        velocity = network.denoise(x, torch.full((x.shape[0],), time, device=x.device), prefix)
        if guidance is not None:
            velocity = guidance.velocity(x, velocity, time)
        x = x - velocity / steps
        after_step()
    return x
