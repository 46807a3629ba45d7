# SPDX-License-Identifier: Apache-2.0
"""Real-time chunking as GR00T N1.7 does it: the first rows begin where the last chunk left off.

Source: lerobot 0.6.1 policies/groot/modeling_groot.py:347-440 and groot_n1_7.py:663-690. There a
policy with relative actions is left out, because its leftover counts from an older state; here the
rows were normalized again by the state of the new chunk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.models.groot_n17.config import GrootN17Config


class LeftoverGuidance:
    """Puts the last chunk's rows in the noise's place and lets them go little by little.

    Rows that are carried out in any case do not move at all; those behind move more and more.
    """

    def __init__(self, target: Tensor, committed: int, shape: tuple[int, int], ramp: float) -> None:
        """Take normalized rows [B, K, actions] and how many of them are carried out in any case.

        Args:
            target: rows, from the first of the new chunk on; columns that are no action are 0.
            committed: rows of weight 0.
            shape: rows and columns of the network's chunk.
            ramp: the larger, the sooner the rows behind are free.
        """
        known, actions = target.shape[1:]
        self._known = known
        self._target = torch.nn.functional.pad(target.float(), (0, shape[1] - actions))
        way = torch.linspace(0.0, 1.0, known - committed + 2, device=target.device)[1:-1]
        freed = -torch.expm1(-ramp * way) / -math.expm1(-ramp)
        weights = torch.ones(shape[0], device=target.device)
        weights[:committed] = 0.0
        weights[committed:known] = freed
        self._weights = weights[None, :, None]

    def start(self, noise: Tensor) -> Tensor:
        """See `Guidance`."""
        return torch.cat([self._target, noise[:, self._known :]], dim=1)

    def velocity(self, x_t: Tensor, velocity: Tensor, left: float) -> Tensor:
        """See `Guidance`."""
        return velocity * self._weights


def continue_leftover(target: Tensor, committed: int, manifest: BundleManifest) -> LeftoverGuidance:
    """See `Family.guidance`."""
    config = GrootN17Config.model_validate(manifest.architecture)
    return LeftoverGuidance(target, committed, manifest.noise_shape, config.ramp)
