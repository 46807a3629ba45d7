# SPDX-License-Identifier: Apache-2.0
"""Instructions of all kinds but `layers`; see `instructions` for how memory is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from quantvla_ros.backends.cpu.engine.instructions import (
    Activation,
    Function,
    Grid,
    Heads,
    Instruction,
    Op,
    Rows,
    Segment,
    make,
)

SUBTRACT_MEAN, NO_NORM, AXES = 1, 2, 4
TABLES = (torch.float32, torch.bfloat16, torch.float16)
"""Types of an embedding's table, as `embed.c` has them."""


@dataclass(frozen=True)
class Gain:
    """What follows a norm: y * (gain + offset) + shift.

    Attributes:
        gain: address of floats [width]; 0 for 1.
        shift: address of floats [width]; 0 for none.
        offset: added to the gain: 1 for the form 1 + w.
        stride: between the gains (and shifts) of the inner rows; 0 for one that all share.
    """

    gain: int = 0
    shift: int = 0
    offset: float = 0.0
    stride: int = 0


def norm(
    x: Rows,
    shape: tuple[int, int, int],
    gain: Gain,
    eps: float,
    out: Rows | None = None,
    grid: Grid | None = None,
    mean: bool = False,
) -> Instruction:
    """Root-mean-square norm of rows, or a layer norm.

    Args:
        x: what is normed.
        shape: rows in all, width, and inner rows of `Rows` (1 for plain rows).
        gain: what follows.
        eps: added to the mean square.
        out: floats, or None for a grid alone; may be `x`.
        grid: bytes, or None.
        mean: True for a layer norm, which subtracts the mean.
    """
    return _norm(x, shape, gain, (eps, SUBTRACT_MEAN if mean else 0), out, grid)


def quantize(x: Rows, shape: tuple[int, int, int], grid: Grid) -> Instruction:
    """Rows to a grid; arguments as those of `norm`."""
    return _norm(x, shape, Gain(), (0.0, NO_NORM), None, grid)


def _norm(
    x: Rows,
    shape: tuple[int, int, int],
    gain: Gain,
    form: tuple[float, int],
    out: Rows | None,
    grid: Grid | None,
) -> Instruction:
    to, q = out or Rows(0, 0), grid or Grid(0, 0, 0)
    n = [*shape, x.outer, x.inner_stride, to.outer, to.inner_stride, q.stride, q.limit, q.block]
    p = [x.address, gain.gain, gain.shift, to.address, q.address, q.steps]
    return make(Op.NORM, [*n, gain.stride], p, [form[0], q.fixed, gain.offset], form[1])


@dataclass(frozen=True)
class Bias:
    """What is added to logits, floats [heads, T, S] with S the tokens of both segments.

    Attributes:
        address: 0 for none.
        query: stride between queries; 0 for one row that all share.
        head: stride between heads; 0 for all the same.
    """

    address: int = 0
    query: int = 0
    head: int = 0


NO_BIAS = Bias()


def attention(
    query: Heads,
    shape: tuple[int, int, int, int],
    segments: Sequence[Segment],
    out: Heads,
    scale: float,
    bias: Bias = NO_BIAS,
) -> Instruction:
    """softmax(scale * Q K^T + bias) V over the keys of one segment or two.

    Args:
        query: [T, H, E].
        shape: T, H, kv heads, E.
        segments: keys and values, one or two, in the order of the bias.
        out: [T, H, E].
        scale: of the products.
        bias: added to them.
    """
    first, second = [*segments, Segment(0, Heads(0, 0, 0), 0)][:2]
    n = [*shape, first.tokens, second.tokens, query.token, query.head]
    n += [first.key.token, first.key.head, second.key.token, second.key.head]
    n += [out.token, out.head, bias.query, bias.head]
    p = [query.address, first.key.address, first.value, second.key.address, second.value]
    return make(Op.ATTENTION, n, [*p, bias.address, out.address], [scale])


def rotary(
    x: Heads, shape: tuple[int, int, int], table: tuple[int, int, int], out: Heads
) -> Instruction:
    """Rotary positions in the half-split form.

    Args:
        x: [T, heads, E].
        shape: T, heads, E.
        table: addresses of cosine and sine [T, E / 2], and the stride between their rows.
        out: [T, heads, E]; may be `x`.
    """
    n = [*shape, x.token, x.head, out.token, out.head, table[2]]
    return make(Op.ROTARY, n, [x.address, table[0], table[1], out.address])


def group_norm(
    x: Rows,
    shape: tuple[int, int, int, int],
    gain: Gain,
    eps: float,
    out: Rows,
    activation: Activation = Activation.NONE,
) -> Instruction:
    """Group norm of channels-last floats [batch * pixels, channels].

    Args:
        x: with the stride between pixels.
        shape: batch, pixels, channels, groups.
        gain: gain and shift of channels.
        eps: added to the variance.
        out: may be `x`.
        activation: of what comes out.
    """
    p = [x.address, gain.gain, gain.shift, out.address]
    return make(Op.GROUP_NORM, [*shape, x.outer, out.outer], p, [eps], activation)


@dataclass(frozen=True)
class Strided:
    """An operand of `elementwise` and `copy`; a stride of 0 repeats it along an axis."""

    address: int
    strides: Sequence[int]


def elementwise(
    function: Function,
    shape: Sequence[int],
    a: Strided,
    out: Strided,
    b: Strided | float = 0.0,
) -> Instruction:
    """A function of a and b, or of a alone, over up to four axes (fewer are filled up in front)."""
    operand = b if isinstance(b, Strided) else Strided(0, ())
    axes = [_four(part) for part in (a.strides, operand.strides, out.strides)]
    scalar = 0.0 if isinstance(b, Strided) else b
    n = [*_four(shape, 1), *axes[0], *axes[1], *axes[2]]
    return make(Op.MAP, n, [a.address, operand.address, out.address], [scalar], function)


def copy(shape: Sequence[int], x: Strided, out: Strided, item_bytes: int = 4) -> Instruction:
    """Strided copy of up to four axes of elements of 1, 2, 4 or 8 bytes."""
    n = [*_four(shape, 1), *_four(x.strides), *_four(out.strides), item_bytes]
    return make(Op.COPY, n, [x.address, out.address])


def _four(values: Sequence[int], filling: int = 0) -> list[int]:
    if len(values) > AXES:
        raise ValueError(f"an instruction has {AXES} axes, not {len(values)}")
    return [filling] * (AXES - len(values)) + list(values)


def softmax(x: Rows, shape: tuple[int, int, int], out: Rows, scale: float = 1.0) -> Instruction:
    """Softmax of scaled rows; `shape` as in `norm`, `out` may be `x`."""
    n = [*shape, x.outer, x.inner_stride, out.outer, out.inner_stride]
    return make(Op.SOFTMAX, n, [x.address, out.address], [scale])


def embed(
    ids: tuple[int, int],
    table: Rows,
    shape: tuple[int, int, int],
    out: Rows,
    scale: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Instruction:
    """Rows of a table.

    Args:
        ids: address of the rows' numbers, and the bytes of one (4 or 8).
        table: [vocabulary, width].
        shape: rows, width, vocabulary; a number outside it fails.
        out: [rows, width].
        scale: of every value.
        dtype: of the table, one of `TABLES`.
    """
    n = [*shape, ids[1], table.outer, out.outer]
    p = [ids[0], table.address, out.address]
    return make(Op.EMBED, n, p, [scale], TABLES.index(dtype))


def hadamard(x: Rows, shape: tuple[int, int, int], out: Rows) -> Instruction:
    """Hadamard transform of float rows; shape: rows, width, block. `out` may be `x`."""
    return make(Op.HADAMARD, [*shape, x.outer, out.outer], [x.address, out.address])
