# SPDX-License-Identifier: Apache-2.0
"""What a fixed grid of activations and a grid of weights are expected to cost a layer's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.token_sample import TokenSample
from quantvla_ros.quantization.transforms.hadamard import hadamard

CLIPS = torch.logspace(0.0, -1.3, 14).tolist()  # of the largest magnitude, down to a twentieth


class StaticError:
    """Compares transforms of one input that all its readers share.

    The squared error of the outputs is taken as if the errors of the input's columns were
    independent. Each token counts by the share that it loses of its own output or, if that is
    larger, about the mean one: a giant token, which all others attend to, must be kept, and yet
    its errors, giants too, must not decide alone.
    """

    def __init__(
        self, sample: TokenSample, weights: Sequence[Tensor], bits: int, limit: int
    ) -> None:
        """Take the input, the weights [out, in] that read it, and the two grids.

        Args:
            sample: of the input.
            weights: of the readers.
            bits: of the weights' grid.
            limit: largest magnitude on the activations' grid.
        """
        self._x, self._counts = sample.tokens, sample.weights / sample.weights.sum()
        self._weights = [weight.detach().float() for weight in weights]
        self._bits, self._limit = bits, limit
        power = torch.stack([(self._x @ w.T).square().sum(dim=1) for w in self._weights]).sum(dim=0)
        mean = self._counts @ power
        self._shares = self._counts / (power + mean).clamp(min=1e-30)

    def of(self, scale: Tensor | None = None, block: int | None = None) -> float:
        """Expected error when the input is divided by `scale` [in] and then rotated in blocks."""
        x, weights = self._x, self._weights
        if scale is not None:
            x, weights = x / scale.float(), [w * scale.float() for w in weights]
        if block is not None:
            x, weights = hadamard(x, block), [hadamard(w, block) for w in weights]
        columns = torch.stack([w.square().sum(dim=0) for w in weights]).sum(dim=0)
        rounded = [dequantize(round_nearest(w, self._bits)) - w for w in weights]
        lost = torch.stack([d.square().sum(dim=0) for d in rounded]).sum(dim=0)
        return float(self._shares @ (self._squared_errors(x) @ columns + x.square() @ lost))

    def _squared_errors(self, x: Tensor) -> Tensor:
        """Of the input [tokens, in] itself, with the range that `static_range` takes by MSE."""
        largest = float(x.abs().max())
        best, least = torch.zeros_like(x), torch.inf
        for share in CLIPS:
            step = max(largest * share, 1e-30) / self._limit
            grid = (x / step).round_().clamp_(-self._limit, self._limit)
            errors = grid.mul_(step).sub_(x).square_()
            total = float(self._counts @ errors.sum(dim=1))
            if total < least:
                best, least = errors, total
        return best
