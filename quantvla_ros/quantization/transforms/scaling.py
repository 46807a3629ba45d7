# SPDX-License-Identifier: Apache-2.0
"""Divide what a norm or a linear gives by one factor a channel, and make its readers undo it.

The arithmetic is in float64; only the results are rounded.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.blocks import AdaptiveLayerNorm, AdaptiveRMSNorm, RMSNorm
from quantvla_ros.models.stored import widen_layer
from quantvla_ros.quantization.transforms.base import TransformedLinear


def divide_norm(norm: nn.Module, scale: Tensor) -> None:
    """Make a norm give ``y / scale`` instead of ``y``.

    A gain of the form ``1 + w`` becomes ``(1 + w) / s``, so ``w' = (1 + w) / s - 1``. In an
    adaptive norm gain and shift depend on the flow time through one linear, which takes the factor
    in its rows; the gate of the residual stays.

    Args:
        norm: RMSNorm, an adaptive norm, or a LayerNorm or RMSNorm of torch with a gain.
        scale: float64 [D], positive.

    Raises:
        QuantVLAError: a norm of another kind, which has no gain to fold into.
    """
    with torch.no_grad():
        if isinstance(norm, RMSNorm):
            norm.weight.copy_((1.0 + norm.weight.double()) / scale - 1.0)
        elif isinstance(norm, AdaptiveRMSNorm | AdaptiveLayerNorm):
            dense = norm.dense
            if not isinstance(dense, nn.Linear):
                raise QuantVLAError(
                    "smoothing does not fold into an adaptive norm whose own linear is already "
                    "quantized; smooth first"
                )
            widen_layer(dense)
            none = torch.zeros_like(scale)
            rows = torch.cat([none + 1.0 if part == "gate" else scale for part in norm.parts])
            gains = 1.0 / scale - 1.0
            offset = torch.cat([gains if part == "scale" else none for part in norm.parts])
            dense.weight.copy_(dense.weight.double() / rows[:, None])
            dense.bias.copy_(dense.bias.double() / rows + offset)
        elif isinstance(norm, nn.LayerNorm | nn.RMSNorm) and norm.weight is not None:
            norm.weight.copy_(norm.weight.double() / scale)
            bias = getattr(norm, "bias", None)
            if bias is not None:
                bias.copy_(bias.double() / scale)
        else:
            raise QuantVLAError(
                f"smoothing does not fold into a norm of the kind {type(norm).__name__}, "
                "which has no gain of its own"
            )


def divide_rows(layer: nn.Linear, scale: Tensor) -> None:
    """Make a linear give ``y / scale``; `scale` float64 [out]."""
    with torch.no_grad():
        layer.weight.copy_(layer.weight.double() / scale[:, None])
        if layer.bias is not None:
            layer.bias.copy_(layer.bias.double() / scale)


def multiply_columns(layer: nn.Linear, scale: Tensor) -> None:
    """Make a linear undo a division of its input by `scale`, float64 [in]."""
    with torch.no_grad():
        layer.weight.copy_(layer.weight.double() * scale)


def plain_linears(network: nn.Module, names: Iterable[str], source: str) -> list[nn.Linear]:
    """The linears of these names, all of which read or make the same values, to be changed.

    16-bit weights become float32: a changed one has more digits.

    Args:
        network: where they are.
        names: module names.
        source: what they share, for the sentence.

    Raises:
        QuantVLAError: one of them is quantized or rotated already, so it cannot be changed along.
    """
    layers = []
    for name in names:
        layer = network.get_submodule(name)
        if not isinstance(layer, nn.Linear) or isinstance(layer, TransformedLinear):
            raise QuantVLAError(
                f"the output of {source} reaches {name}, which is already quantized or rotated and "
                "cannot be changed along; transform before that"
            )
        widen_layer(layer)
        layers.append(layer)
    return layers
