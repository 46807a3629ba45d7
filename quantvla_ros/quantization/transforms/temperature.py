# SPDX-License-Identifier: Apache-2.0
"""Attention temperatures where a norm stands on the queries, behind Wq (QK-norm).

That norm removes every factor of Wq, so a temperature goes into the norm's gain. A gain of each
head takes one temperature a head; a gain that all heads share (the published form) takes one a
layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.blocks import Attention, HeadNorm


def shares_gain(attention: Attention) -> bool:
    """Whether all heads must have one temperature, because one gain takes it."""
    return attention.q_norm is not None and attention.q_norm.weight.ndim == 1


def foldable_spread(attention: Attention, spread: Tensor) -> Tensor:
    """Standard deviations of the logits [H] as far as temperatures can tell heads apart.

    Where the heads share a gain, all get the root mean square over the heads, so that the ratio of
    a teacher to a student is one temperature for all of them.
    """
    if shares_gain(attention):
        return spread.square().mean().sqrt().expand_as(spread)
    return spread


def fold_into_gain(norm: HeadNorm, alpha: Tensor) -> None:
    """Multiply the gain of the norm on the queries by one temperature per head [H].

    Raises:
        QuantVLAError: the heads share the gain and their temperatures differ.
    """
    with torch.no_grad():
        if norm.weight.ndim == 2:
            norm.weight.mul_(alpha[:, None])
        elif bool((alpha == alpha[0]).all()):
            norm.weight.mul_(alpha[0])
        else:
            raise QuantVLAError(
                "the heads share the gain of the norm on their queries, so temperatures that "
                "differ between heads do not fold; fit one a layer"
            )
