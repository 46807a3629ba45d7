# SPDX-License-Identifier: Apache-2.0
"""What a fixed grid of activations and a grid of weights are expected to cost a layer's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.quantization.output_range import least_output_error, token_shares
from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.token_sample import TokenSample
from quantvla_ros.quantization.transforms.hadamard import hadamard


class StaticError:
    """Compares transforms of one input that all its readers share."""

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
        self._x = sample.tokens
        self._weights = [weight.detach().float() for weight in weights]
        self._bits, self._limit = bits, limit
        self._shares = token_shares(sample, self._weights)

    @property
    def width(self) -> int:
        """Columns of the input."""
        return self._x.shape[1]

    def of(self, scale: Tensor | None = None, block: int | None = None) -> float:
        """Expected error when the input is divided by `scale` [in] and then rotated in blocks.

        The range is the one that `static_range` takes by "output". The errors of the weights'
        columns are taken as independent, for GPTQ will make them smaller yet.
        """
        x, weights = self._x, self._weights
        if scale is not None:
            x, weights = x / scale.float(), [w * scale.float() for w in weights]
        if block is not None:
            x, weights = hadamard(x, block), [hadamard(w, block) for w in weights]
        rounded = [dequantize(round_nearest(w, self._bits)) - w for w in weights]
        lost = torch.stack([d.square().sum(dim=0) for d in rounded]).sum(dim=0)
        _, error = least_output_error(x, self._shares, weights, self._limit)
        return error + float(self._shares @ (x.square() @ lost))
