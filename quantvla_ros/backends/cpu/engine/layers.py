# SPDX-License-Identifier: Apache-2.0
"""Instructions of layers with packed weights; see `instructions` for how memory is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from quantvla_ros.backends.cpu.engine.instructions import (
    Activation,
    Epilogue,
    Grid,
    Instruction,
    Op,
    Rows,
    make,
)
from quantvla_ros.backends.cpu.engine.weights import FloatWeights, IntegerWeights

GATED, KIND_SHIFT, NEXT_WEIGHTS, WEIGHTS = 1 << 4, 8, 10, 2
PLAIN = Epilogue()


def integer_linear(
    grid: Grid, rows: int, weights: IntegerWeights, out: Rows, epilogue: Epilogue = PLAIN
) -> Instruction:
    """Grid [rows, inputs] times integer weights, to floats [rows, outputs]."""
    return _linear(
        Op.INTEGER_LINEAR, (grid.address, grid.steps, grid.stride), rows, weights, out, epilogue
    )


def float_linear(
    x: Rows, rows: int, weights: FloatWeights, out: Rows, epilogue: Epilogue = PLAIN
) -> Instruction:
    """Floats [rows, inputs] times weights, to floats [rows, outputs]."""
    return _linear(Op.FLOAT_LINEAR, (x.address, 0, x.outer), rows, weights, out, epilogue)


def _linear(
    op: Op, x: tuple[int, int, int], rows: int, weights: FloatWeights, out: Rows, to: Epilogue
) -> Instruction:
    strides = [x[2], out.outer, weights.group, to.multiply_stride, to.residual_stride, to.period]
    shifts = weights.shifts if isinstance(weights, IntegerWeights) else None
    held = [_address(t) for t in (weights.weight, weights.scales, shifts, weights.bias)]
    return make(
        op,
        [rows, weights.inputs, weights.outputs, *strides],
        [x[0], x[1], *held, to.multiply, to.residual, to.gate, out.address],
        flags=_flags(weights, to.activation),
    )


def foresee(code: Sequence[Instruction]) -> None:
    """Tell each linear layer what the next one reads, which it then fetches; changes `code`.

    Args:
        code: instructions in the order in which they run, again and again.
    """
    linears = [it for it in code if it.op in (Op.INTEGER_LINEAR, Op.FLOAT_LINEAR)]
    for here, following in zip(linears, [*linears[1:], *linears[:1]], strict=True):
        here.p[NEXT_WEIGHTS] = following.p[WEIGHTS]


def _flags(weights: FloatWeights, activation: Activation) -> int:
    return activation | (GATED if weights.gated else 0) | weights.kind << KIND_SHIFT


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


@dataclass(frozen=True)
class Picture:
    """Floats [batch, channels, height, width] with any strides, in that order."""

    address: int
    shape: tuple[int, int, int, int]
    strides: tuple[int, int, int, int]


@dataclass(frozen=True)
class Window:
    """Of a convolution: kernel height and width, stride and zero padding on all sides."""

    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0

    def scratch_floats(self, x: Picture) -> int:
        """Floats that `convolution` needs for its padded input."""
        batch, channels, height, width = x.shape
        return batch * (height + 2 * self.padding) * (width + 2 * self.padding) * channels


def convolution(
    x: Picture,
    window: Window,
    weights: FloatWeights,
    out: Rows,
    scratch: int,
    activation: Activation = Activation.NONE,
) -> Instruction:
    """Convolution to channels-last floats [batch * out height * out width, out channels].

    Args:
        x: the input.
        window: its form.
        weights: of `pack_float` on weight.permute(0, 2, 3, 1).flatten(1), float32.
        out: with the stride between pixels.
        scratch: address of `Window.scratch_floats` floats.
        activation: of the sums.
    """
    batch, channels, height, width = x.shape
    n = [batch, height, width, channels, weights.outputs, *window.kernel]
    n += [window.stride, window.padding, *x.strides, out.outer]
    p = [x.address, scratch, weights.weight.data_ptr(), 0, 0, _address(weights.bias), 0, 0, 0]
    flags = _flags(weights, activation)
    return make(Op.CONVOLUTION, n, [*p, out.address], flags=flags)
