# SPDX-License-Identifier: Apache-2.0
"""Instructions of the engine: the structure that its C reads, and what makes one of each kind.

Addresses are those of tensors that the caller holds (`Tensor.data_ptr`), 0 for none. Strides count
elements; the last axis lies side by side unless an operation says otherwise. All floats are
float32. What each number means in C stands beside the operation's function there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

NUMBERS, ADDRESSES, FLOATS = 16, 12, 4


class Instruction(ctypes.Structure):
    """One operation, as `engine.h` has it."""

    _fields_ = (
        ("op", ctypes.c_int32),
        ("flags", ctypes.c_int32),
        ("n", ctypes.c_int64 * NUMBERS),
        ("p", ctypes.c_void_p * ADDRESSES),
        ("f", ctypes.c_float * FLOATS),
    )


class Op(IntEnum):
    """Operations, by their place in `engine.c`."""

    NORM = 1
    INTEGER_LINEAR = 2
    FLOAT_LINEAR = 3
    ATTENTION = 4
    ROTARY = 5
    CONVOLUTION = 6
    GROUP_NORM = 7
    MAP = 8
    COPY = 9
    SOFTMAX = 10
    EMBED = 11
    HADAMARD = 12


class Activation(IntEnum):
    """What a linear layer does with its sums, as `vector_math.h` has it."""

    NONE = 0
    RELU = 1
    SILU = 2
    GELU_TANH = 3
    GELU_ERF = 4
    SIGMOID = 5
    TANH = 6


class Function(IntEnum):
    """Elementwise functions, as `map.c` has them; the first eight take two operands."""

    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    MAX = 4
    MIN = 5
    RSUB = 6
    POW = 7
    NEG = 16
    EXP = 17
    SIN = 18
    COS = 19
    TANH = 20
    SILU = 21
    GELU_TANH = 22
    GELU_ERF = 23
    RELU = 24
    SIGMOID = 25
    RSQRT = 26
    SQRT = 27
    SQUARE = 28
    RECIPROCAL = 29
    ABS = 30
    LOG = 31


@dataclass(frozen=True)
class Rows:
    """Rows of floats: row r at address + outer * (r // inner) + inner_stride * (r % inner).

    Attributes:
        address: of the first.
        outer: stride between groups of `inner` rows, in elements; between rows for inner = 1.
        inner_stride: between the rows of a group.
    """

    address: int
    outer: int
    inner_stride: int = 0


@dataclass(frozen=True)
class Grid:
    """Activations on an integer grid: bytes [rows, stride] and a float step a row.

    Attributes:
        address: of the bytes.
        stride: bytes between rows, at least the width rounded up to a multiple of 4.
        steps: address of the float steps [rows].
        limit: largest magnitude, 127 or 63.
        fixed: the step of a static grid; 0 for a step per row.
        block: of the Hadamard transform before the grid; 0 for none.
    """

    address: int
    stride: int
    steps: int
    limit: int = 127
    fixed: float = 0.0
    block: int = 0


@dataclass(frozen=True)
class Epilogue:
    """What a linear layer does with a sum: act(sum + bias) * multiply * gate + residual.

    The bias is part of the weights. A gated layer makes act(gate sum) * (up sum) first.

    Attributes:
        activation: of the sum.
        multiply: address of floats [rows, outputs]; 0 for none.
        multiply_stride: between its rows.
        gate: address of floats [outputs]; 0 for none.
        residual: address of floats [period, outputs]; 0 for none. It may be the output itself.
        residual_stride: between its rows; 0 adds one row to all.
        period: rows of the residual before it begins again; 0 for as many as the output has.
    """

    activation: Activation = Activation.NONE
    multiply: int = 0
    multiply_stride: int = 0
    gate: int = 0
    residual: int = 0
    residual_stride: int = 0
    period: int = 0


@dataclass(frozen=True)
class Heads:
    """Floats [tokens, heads, E] of attention.

    Attributes:
        address: of the first; of the keys where there are keys and values.
        token: stride between tokens.
        head: stride between heads.
    """

    address: int
    token: int
    head: int


@dataclass(frozen=True)
class Segment:
    """Keys and values of some tokens, [tokens, kv heads, E] each with the same strides.

    Attributes:
        tokens: how many.
        key: the keys.
        value: address of the values.
    """

    tokens: int
    key: Heads
    value: int


def make(
    op: Op,
    n: Sequence[int],
    p: Sequence[int],
    f: Sequence[float] = (),
    flags: int = 0,
) -> Instruction:
    """An instruction; what is left out is 0."""
    out = Instruction(op=int(op), flags=flags)
    out.n[: len(n)] = list(n)
    out.p[: len(p)] = [address or None for address in p]
    out.f[: len(f)] = list(f)
    return out
