# SPDX-License-Identifier: Apache-2.0
"""Fold ATM and OHB coefficients into weights or dequantization scales.

After folding nothing is left at run time: the module tree, the operations and the latency are
those of the plain quantized network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.stored import widen_layer
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.transforms.temperature import fold_into_gain


def scale_rows(layer: nn.Module, factor: Tensor) -> None:
    """Multiply a layer's outputs by `factor` [out], in its weight scales when it has them."""
    with torch.no_grad():
        if isinstance(layer, QuantizedLinear):
            layer.scale.mul_(factor[:, None])
        else:
            widen_layer(layer)
            assert isinstance(layer.weight, Tensor)
            layer.weight.mul_(factor[:, None])
        bias = layer.bias
        if isinstance(bias, Tensor):
            bias.mul_(factor)


def fold_temperature(attention: Attention, alpha: Tensor) -> None:
    """Fold one temperature per head, [H], into the rows of Wq.

    A scalar per head commutes with rotary positions and with grouped heads. A norm on the queries
    behind Wq would undo it; there it goes into the norm's gain.

    Raises:
        QuantVLAError: the heads share that gain and their temperatures differ.
    """
    if attention.q_norm is not None:
        fold_into_gain(attention.q_norm, alpha)
    else:
        scale_rows(attention.q_proj, alpha.repeat_interleave(attention.head_width))


def fold_balance(attention: Attention, beta: float) -> None:
    """Fold the output factor of one layer into Wo and its bias."""
    layer = attention.o_proj
    rows = layer.weight.shape[0]
    scale_rows(layer, torch.full((rows,), beta))
