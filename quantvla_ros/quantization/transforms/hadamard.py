# SPDX-License-Identifier: Apache-2.0
"""The Hadamard transform in blocks, as ordinary tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError

WHOLE = 64  # largest block that runs as one product


def check_block(block: int, width: int) -> None:
    """A block must be a power of two that divides the width.

    Raises:
        QuantVLAError: it is not.
    """
    if block < 1 or block & (block - 1) or width % block:
        largest = width & -width
        raise QuantVLAError(
            f"a Hadamard block of {block} does not fit a width of {width}; "
            f"take a power of two up to {largest}"
        )


def hadamard_matrix(
    block: int, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Tensor:
    """Orthonormal symmetric Hadamard matrix [block, block]; `block` a power of two.

    The sign of an entry is the parity of the bits that its row and column have in common. It is
    computed and not kept, so that an exported graph holds no tensor from outside; compilers fold
    it into a constant.
    """
    index = torch.arange(block, device=device)
    common = index[:, None] & index[None, :]
    for shift in (8, 4, 2, 1):
        common = common ^ (common >> shift)
    out: Tensor = (1.0 - 2.0 * (common & 1).to(dtype)) * block**-0.5
    return out


def factors(block: int) -> tuple[int, int]:
    """Two powers of two whose product is `block`; the first is 1 for a block that runs whole.

    The matrix of a block is the Kronecker product of those of its factors, so a large block runs
    as two small products: 512 as 16 and 32.
    """
    second = block if block <= WHOLE else 1 << block.bit_length() // 2
    return block // second, second


def products(block: int) -> int:
    """Multiply-adds that the transform takes for each value."""
    first, second = factors(block)
    return second if first == 1 else first + second


def hadamard(x: Tensor, block: int) -> Tensor:
    """Transform each block of the last axis of ``x`` [..., n]; applied twice it gives ``x``.

    Args:
        x: float [..., n].
        block: power of two that divides n, at most 65536.
    """
    first, second = factors(block)
    out: Tensor = x.unflatten(-1, (-1, first, second)) @ hadamard_matrix(second, x.dtype, x.device)
    if first > 1:
        out = hadamard_matrix(first, x.dtype, x.device) @ out
    return out.flatten(-3)
