# SPDX-License-Identifier: Apache-2.0
"""What a fixed grid of a layer's input costs its outputs, and the range that costs least.

The outputs count, not the input: after smoothing, a clipped giant and the weights that read it make
an error many times that of the input's own. Each token counts by the share that it loses of its
own output or, if that is larger, about the mean one: a giant token, which all others attend to,
must be kept, and yet its errors, giants too, must not decide alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.quantization.token_sample import TokenSample

CLIPS = torch.logspace(0.0, -1.5, 24).tolist()  # of the largest magnitude, down to a thirtieth
PAST = 1.2  # times the least error so far: the search is past its bottom


def token_shares(sample: TokenSample, weights: Sequence[Tensor]) -> Tensor:
    """How much a squared error of each token's outputs counts, [tokens].

    Args:
        sample: of the input.
        weights: [out, in] of all layers that read it.
    """
    counts = sample.weights / sample.weights.sum()
    power = torch.stack([(sample.tokens @ w.T).square().sum(dim=1) for w in weights]).sum(dim=0)
    shares: Tensor = counts / (power + counts @ power).clamp(min=1e-30)
    return shares


def least_output_error(
    x: Tensor, shares: Tensor, weights: Sequence[Tensor], limit: int
) -> tuple[float, float]:
    """The clip whose grid costs the outputs least, and what it costs.

    The error is nearly convex in the clip: rounding falls with its square, clipping rises with it.

    Args:
        x: tokens of the input [tokens, in].
        shares: of each token, see `token_shares`.
        weights: [out, in] of all layers that read it.
        limit: largest magnitude on the grid.
    """
    largest = max(float(x.abs().max()), 1e-30)
    best, least = largest, torch.inf
    for ratio in CLIPS:
        step = largest * ratio / limit
        lost = (x / step).round_().clamp_(-limit, limit).mul_(step).sub_(x)
        error = sum(float(shares @ (lost @ w.T).square_().sum(dim=1)) for w in weights)
        if error < least:
            best, least = largest * ratio, error
        elif error > PAST * least:
            break
    return best, least
