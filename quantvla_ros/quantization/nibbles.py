# SPDX-License-Identifier: Apache-2.0
"""Two 4-bit weights in a byte."""

from __future__ import annotations

import torch
from torch import Tensor

OFFSET = 8  # a weight w in -7..7 is stored as w + 8


def pack_nibbles(values: Tensor) -> Tensor:
    """Pack int8 [..., n] in -7..7 to uint8 [..., ceil(n / 2)]; the first of two is the low half."""
    shifted = (values + OFFSET).to(torch.uint8)
    if shifted.shape[-1] % 2:
        shifted = torch.cat([shifted, torch.full_like(shifted[..., :1], OFFSET)], dim=-1)
    return shifted[..., 0::2] | (shifted[..., 1::2] << 4)


def unpack_nibbles(packed: Tensor, columns: int) -> Tensor:
    """The int8 [..., columns] that `pack_nibbles` was given."""
    both = torch.stack([packed & 15, packed >> 4], dim=-1).flatten(-2)
    return both[..., :columns].to(torch.int8) - OFFSET
