# SPDX-License-Identifier: Apache-2.0
"""Weights in the layouts of the engine: blocks of output channels that fill two registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH = 4  # inputs that the integer kernel takes side by side


class WeightKind(IntEnum):
    """How weights are held, as `epilogue.h` has it."""

    FLOAT32 = 0
    BFLOAT16 = 1
    INT8 = 2
    INT4 = 3


@dataclass(frozen=True)
class FloatWeights:
    """Weights of a product with float activations.

    Attributes:
        kind: how they are held.
        inputs: of the layer.
        outputs: of the layer; half of the sums where it is gated.
        group: inputs that share a scale.
        weight: blocks of channels.
        bias: float32, padded to whole blocks, or None.
        scales: float32 [blocks, groups, columns], of integers.
        gated: True for blocks that alternate between a gate and what it opens.
    """

    kind: WeightKind
    inputs: int
    outputs: int
    group: int
    weight: Tensor
    bias: Tensor | None = None
    scales: Tensor | None = None
    gated: bool = False

    @property
    def held_bytes(self) -> int:
        """Bytes of all tensors."""
        held = (self.weight, self.bias, self.scales)
        return sum(tensor.nbytes for tensor in held if tensor is not None)


@dataclass(frozen=True)
class IntegerWeights(FloatWeights):
    """Weights of a product with a grid.

    Attributes:
        shifts: int32 [blocks, groups, columns], what the grid's zero point adds to the sums.
    """

    shifts: Tensor | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of all tensors."""
        return super().held_bytes + (0 if self.shifts is None else self.shifts.nbytes)


def pack_float(
    weight: Tensor, bias: Tensor | None, columns: int, up: Tensor | None = None
) -> FloatWeights:
    """Weights that are floats; bfloat16 stays so in memory.

    Args:
        weight: [out, in], float32 or bfloat16; of a gate where `up` is given.
        bias: [out] or None.
        columns: channels of a block, see `library.columns`.
        up: [out, in], what the gate opens; such layers have no bias.
    """
    kind = WeightKind.BFLOAT16 if weight.dtype == torch.bfloat16 else WeightKind.FLOAT32
    blocks = _blocks(weight if kind else weight.float(), columns)
    if up is not None:
        blocks = torch.stack([blocks, _blocks(up.to(blocks.dtype), columns)], 1).flatten(0, 1)
    return FloatWeights(
        kind,
        weight.shape[1],
        weight.shape[0],
        weight.shape[1],
        blocks.transpose(1, 2).contiguous(),
        _padded(bias, columns),
        gated=up is not None,
    )


def pack_codes(
    codes: Sequence[Tensor], scales: Sequence[Tensor], bias: Tensor | None, columns: int, bits: int
) -> FloatWeights:
    """Integer weights of a product with float activations.

    Args:
        codes: int8 [out, in]; two of them are a gate and what it opens.
        scales: float32 [out, groups] of each.
        bias: [out] or None.
        columns: channels of a block.
        bits: 8, or 4 for two weights a byte.
    """
    inputs, groups = codes[0].shape[1], scales[0].shape[1]
    blocks = _alternating([_blocks(part, columns) for part in codes]).transpose(1, 2)
    kind, held = _held(blocks, bits)
    return FloatWeights(
        kind,
        inputs,
        codes[0].shape[0],
        inputs // groups,
        held,
        _padded(bias, columns),
        _scales_in_blocks(scales, columns),
        len(codes) == 2,
    )


def pack_integer(
    codes: Sequence[Tensor],
    scales: Sequence[Tensor],
    bias: Tensor | None,
    columns: int,
    bits: int,
    zero_point: int,
) -> IntegerWeights:
    """Integer weights of a product with a grid; arguments as `pack_codes`.

    Args:
        codes: int8 [out, in]; two of them are a gate and what it opens.
        scales: float32 [out, groups] of each.
        bias: [out] or None.
        columns: channels of a block.
        bits: 8, or 4 for two weights a byte.
        zero_point: of the grid, see `library.zero_point`.
    """
    inputs, groups = codes[0].shape[1], scales[0].shape[1]
    parts = [F.pad(_blocks(part, columns), (0, -inputs % DEPTH)) for part in codes]
    blocks = _alternating(parts)
    sums = blocks[..., :inputs].unflatten(2, (groups, -1)).sum(dim=3, dtype=torch.int32)
    four = blocks.unflatten(2, (-1, DEPTH)).transpose(1, 2)  # [blocks, in / 4, columns, 4]
    kind, held = _held(four, bits)
    return IntegerWeights(
        kind,
        inputs,
        codes[0].shape[0],
        inputs // groups,
        held,
        _padded(bias, columns),
        _scales_in_blocks(scales, columns),
        len(codes) == 2,
        (zero_point * sums).transpose(1, 2).contiguous(),
    )


def _blocks(weight: Tensor, columns: int) -> Tensor:
    """Channels [out, in] padded with zeros to [blocks, columns, in]."""
    out: Tensor = F.pad(weight, (0, 0, 0, -weight.shape[0] % columns)).unflatten(0, (-1, columns))
    return out


def _held(codes: Tensor, bits: int) -> tuple[WeightKind, Tensor]:
    """Codes as they lie in memory; of 4 bits, the first half of the third axis below the second."""
    if bits == 8:
        return WeightKind.INT8, codes.contiguous()
    low, high = (codes + 8).to(torch.uint8).chunk(2, dim=2)
    return WeightKind.INT4, (low | high << 4).contiguous()


def _alternating(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(parts), dim=1).flatten(0, 1)


def _padded(bias: Tensor | None, columns: int) -> Tensor | None:
    return None if bias is None else F.pad(bias.float(), (0, -bias.shape[0] % columns)).clone()


def _scales_in_blocks(scales: Sequence[Tensor], columns: int) -> Tensor:
    """[blocks, groups, columns] of scales [out, groups]."""
    parts = [_blocks(part.float(), columns).transpose(1, 2) for part in scales]
    return _alternating(parts).contiguous()
