# SPDX-License-Identifier: Apache-2.0
"""FAKE quantization for studies: weights rounded to few bits, but held and computed in float.

It shows what an error of that size does to success; it saves neither memory nor time. Nothing
here is calibrated or corrected: it is the baseline that a method has to beat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layouts import AUTO, LAYOUTS, select_layers

if TYPE_CHECKING:
    from torch import Tensor, nn

_NAME = re.compile(r"rtn([2-8])-(.+)")
_TINY = 1e-8


def parse_rounding(name: str) -> tuple[int, str]:
    """Bits and layout of a name such as "rtn4-all" or "rtn4-llm+dit_mlp".

    Raises:
        QuantVLAError: it is no such name.
    """
    found = _NAME.fullmatch(name)
    layouts = [layout for layout in LAYOUTS if layout not in ("none", AUTO)]
    if found is None or found.group(2) not in layouts:
        raise QuantVLAError(
            f"Unknown rounding '@{name}'; write @rtnBITS-LAYOUT with 2 to 8 bits and one of the "
            f"layouts {', '.join(layouts)}, or @rtc for real-time chunking."
        )
    return int(found.group(1)), found.group(2)


def round_to_nearest(weight: Tensor, bits: int) -> Tensor:
    """Values of the symmetric grid per output channel (row), as float: -(2^(b-1)-1)..2^(b-1)-1."""
    limit = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=_TINY) / limit
    rounded: Tensor = (weight / scale).round() * scale
    return rounded


def fake_quantize(
    network: nn.Module, roles: Mapping[str, str], bits: int, layout: str
) -> list[str]:
    """Round the weights of a float network's linears in place.

    Args:
        network: float.
        roles: of its linears, see `Family.roles`.
        bits: of a weight.
        layout: a key of `LAYOUTS`.

    Returns:
        Names of the rounded layers.
    """
    import torch

    from quantvla_ros.quantization.modules import linear_at

    names = select_layers(roles, layout)
    with torch.no_grad():
        for name in names:
            weight = linear_at(network, name).weight
            weight.copy_(round_to_nearest(weight, bits))
    return names
