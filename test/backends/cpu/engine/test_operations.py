# SPDX-License-Identifier: Apache-2.0
"""Operations of the engine beside its linear layers, against torch in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from quantvla_ros.backends.cpu.engine import operations as op
from quantvla_ros.backends.cpu.engine.instructions import (
    Activation,
    Function,
    Grid,
    Heads,
    Rows,
    Segment,
)
from quantvla_ros.backends.cpu.engine.layers import Picture, Window, convolution
from quantvla_ros.backends.cpu.engine.weights import pack_float
from quantvla_ros.quantization.transforms.hadamard import hadamard_matrix


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got.double(), expected.double(), rtol=tolerance, atol=tolerance)


def rows_of(tensor):
    return Rows(tensor.data_ptr(), tensor.stride(0))


def strided(tensor):
    return op.Strided(tensor.data_ptr(), tensor.stride())


def heads_of(tensor):
    return Heads(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


@pytest.mark.parametrize("width", [1, 11, 64, 200])
@pytest.mark.parametrize("mean", [False, True])
def test_norms_and_their_grid(machine, width, mean):
    x = machine.put(torch.randn(7, width) * 3 + 1)
    gain, shift = machine.put(torch.randn(width)), machine.put(torch.randn(width))
    out, steps = machine.room(7, width), machine.room(7)
    grid = machine.room(7, 256, dtype=torch.uint8)
    to = Grid(grid.data_ptr(), 256, steps.data_ptr(), 63)
    follow = op.Gain(gain.data_ptr(), shift.data_ptr(), offset=1.0)
    machine.run(op.norm(rows_of(x), (7, width, 1), follow, 1e-6, rows_of(out), to, mean))
    y = x.double()
    y = F.layer_norm(y, (width,), eps=1e-6) if mean else F.rms_norm(y, (width,), eps=1e-6)
    expected = y * (1 + gain.double()) + shift
    close(out, expected)
    close(steps, out.abs().amax(dim=1).clamp(min=1e-8) / 63, 1e-7)
    whole = grid[:, :width].view(torch.int8) if machine.zero_point(63) == 0 else grid[:, :width]
    integers = whole.long() - machine.zero_point(63)
    assert torch.equal(integers, (out / steps[:, None]).round().long())


def test_a_norm_of_heads_within_wide_rows(machine):
    """Rows of two levels, a gain a head, in place."""
    whole = torch.randn(5, 100)
    x, gain = machine.put(whole), machine.put(torch.rand(3, 24))
    heads = Rows(x.data_ptr() + 4 * 10, 100, 24)
    machine.run(op.norm(heads, (15, 24, 3), op.Gain(gain.data_ptr(), stride=24), 1e-6, heads))
    expected = whole.double().clone()
    part = expected[:, 10:82].view(5, 3, 24)
    expected[:, 10:82] = (F.rms_norm(part, (24,), eps=1e-6) * gain.double()).flatten(1)
    close(x, expected)


@pytest.mark.parametrize(("width", "block"), [(24, 8), (192, 64), (512, 512), (40, 1)])
def test_a_hadamard_transform(machine, width, block):
    x = machine.put(torch.randn(3, width))
    before = x.double()
    matrix = hadamard_matrix(block, torch.float64)
    expected = (before.unflatten(1, (-1, block)) @ matrix).flatten(1)
    steps, grid = machine.room(3), machine.room(3, 512, dtype=torch.uint8)
    to = Grid(grid.data_ptr(), 512, steps.data_ptr(), 63, block=block)
    first = op.quantize(rows_of(x), (3, width, 1), to)
    machine.run(first, op.hadamard(rows_of(x), (3, width, block), rows_of(x)))
    close(x, expected)
    close(steps, expected.abs().amax(dim=1) / 63)


@pytest.mark.parametrize("shape", [(16, 4, 2, 64), (36, 3, 3, 48), (5, 2, 1, 7), (1, 1, 1, 1)])
@pytest.mark.parametrize("form", ["alone", "two segments", "bias of queries"])
def test_attention(machine, shape, form):
    tokens, heads, groups, width = shape
    lengths = (29, 16) if form == "two segments" else (45,)
    fused = machine.put(torch.randn(tokens, (heads + 2) * width))
    q = fused[:, : heads * width].view(tokens, heads, width)
    pairs = [machine.put(torch.randn(2, groups, n, width)) for n in lengths]
    segments = [
        Segment(pair.shape[2], heads_of(pair[0].transpose(0, 1)), pair[1].data_ptr())
        for pair in pairs
    ]
    key, value = torch.cat(pairs, dim=2).double()
    queries = tokens if form == "bias of queries" else 1
    bias = machine.put(torch.where(torch.rand(heads, queries, 45) < 0.3, -6e4, 0.5))
    bias[..., 0] = 0.0
    strides = (45, 45 * queries) if form == "bias of queries" else (0, 0)
    bias = bias if queries > 1 else machine.put(bias[:1])
    out = machine.room(tokens, heads, width)
    given = op.Bias(0 if form == "alone" else bias.data_ptr(), *strides)
    machine.run(op.attention(heads_of(q), shape, segments, heads_of(out), 0.37, given))
    expected = F.scaled_dot_product_attention(
        q.double().transpose(0, 1),
        key.repeat_interleave(heads // groups, dim=0),
        value.repeat_interleave(heads // groups, dim=0),
        None if form == "alone" else bias.double(),
        scale=0.37,
    ).transpose(0, 1)
    close(out, expected)


def test_rotary_positions_in_place(machine):
    x = machine.put(torch.randn(6, 5, 22))
    angle = torch.randn(6, 11)
    cos, sin = machine.put(angle.cos()), machine.put(angle.sin())
    a, b = x.double().chunk(2, dim=-1)
    c, s = cos.double()[:, None], sin.double()[:, None]
    expected = torch.cat([a * c - b * s, b * c + a * s], dim=-1)
    table = cos.data_ptr(), sin.data_ptr(), 11
    machine.run(op.rotary(heads_of(x), (6, 5, 22), table, heads_of(x)))
    close(x, expected)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("channels", "kernel", "stride", "padding"), [(5, 3, 1, 1), (16, 4, 2, 1)])
def test_a_convolution(machine, last, channels, kernel, stride, padding):
    x = machine.put(torch.randn(2, channels, 9, 13))
    if last:
        x = machine.put(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
    weight, bias = torch.randn(35, channels, kernel, kernel), torch.randn(35)
    packed = machine.hold(pack_float(weight.permute(0, 2, 3, 1).flatten(1), bias, machine.columns))
    expected = F.relu(F.conv2d(x.double(), weight.double(), bias.double(), stride, padding))
    picture = Picture(x.data_ptr(), tuple(x.shape), x.stride())
    window = Window((kernel, kernel), stride, padding)
    scratch = machine.room(window.scratch_floats(picture))
    out = machine.room(expected[:, 0].numel(), 40)[:, :35]
    machine.run(
        convolution(picture, window, packed, rows_of(out), scratch.data_ptr(), Activation.RELU)
    )
    close(out, expected.permute(0, 2, 3, 1).flatten(0, 2), 3e-5)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_group_norm(machine, groups):
    x = machine.put(torch.randn(2 * 30, 20) + 2)
    gain, shift = machine.put(torch.randn(20)), machine.put(torch.randn(20))
    follow = op.Gain(gain.data_ptr(), shift.data_ptr())
    out = machine.room(60, 20)
    shape = 2, 30, 20, groups
    machine.run(op.group_norm(rows_of(x), shape, follow, 1e-5, rows_of(out), Activation.RELU))
    planes = x.double().view(2, 30, 20).transpose(1, 2)
    expected = F.group_norm(planes, groups, gain.double(), shift.double(), 1e-5)
    close(out, F.relu(expected).transpose(1, 2).flatten(0, 1))


BINARY = {
    Function.ADD: torch.add,
    Function.SUB: torch.sub,
    Function.MUL: torch.mul,
    Function.DIV: torch.div,
    Function.MAX: torch.maximum,
    Function.MIN: torch.minimum,
    Function.RSUB: lambda a, b: b - a,
    Function.POW: torch.pow,
}
UNARY = {
    Function.NEG: torch.neg,
    Function.EXP: torch.exp,
    Function.SIN: torch.sin,
    Function.COS: torch.cos,
    Function.TANH: torch.tanh,
    Function.SILU: F.silu,
    Function.GELU_TANH: lambda x: F.gelu(x, approximate="tanh"),
    Function.GELU_ERF: F.gelu,
    Function.RELU: F.relu,
    Function.SIGMOID: torch.sigmoid,
    Function.RSQRT: torch.rsqrt,
    Function.SQRT: torch.sqrt,
    Function.SQUARE: torch.square,
    Function.RECIPROCAL: torch.reciprocal,
    Function.ABS: torch.abs,
    Function.LOG: torch.log,
}


def test_functions_of_two(machine):
    """Broadcast in every way: a row, a column, a number, and operands that are turned."""
    a = machine.put(torch.rand(3, 4, 5, 18) + 0.5)
    turned = machine.put(torch.rand(18, 5, 4, 3) + 0.5).permute(3, 2, 1, 0)
    row, column = machine.put(torch.rand(18) + 0.5), machine.put(torch.rand(4, 1, 1) + 0.5)
    for function, expected in BINARY.items():
        for other in (turned, row.expand_as(a), column.expand_as(a)):
            out = machine.room(3, 4, 5, 18)
            machine.run(op.elementwise(function, a.shape, strided(a), strided(out), strided(other)))
            close(out, expected(a.double(), other.double()), 2e-6)
    out = machine.room(18, 60).T
    flat = a.view(60, 18)
    machine.run(op.elementwise(Function.RSUB, flat.shape, strided(flat), strided(out), 2.5))
    close(out, 2.5 - flat, 1e-7)


@pytest.mark.parametrize("function", UNARY)
def test_functions_of_one(machine, function):
    positive = function in (Function.RSQRT, Function.SQRT, Function.LOG)
    x = machine.put(torch.cat([torch.linspace(0.01 if positive else -30, 30, 500), torch.ones(1)]))
    out = machine.room(501)
    machine.run(op.elementwise(function, x.shape, strided(x), strided(out)))
    torch.testing.assert_close(out.double(), UNARY[function](x.double()), rtol=1e-6, atol=3e-7)


def test_the_ends_of_the_exponential(machine):
    x = machine.put(torch.tensor([-6e4, -100.0, -80.0, 0.0, 80.0, 88.7, 100.0, float("nan")]))
    out = machine.room(8)
    machine.run(op.elementwise(Function.EXP, x.shape, strided(x), strided(out)))
    torch.testing.assert_close(out, x.exp(), rtol=1e-6, atol=1e-37, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.int16, torch.uint8])
def test_copies_of_any_type(machine, dtype):
    x = machine.put(torch.randint(0, 100, (3, 4, 5)).to(dtype))
    whole = machine.room(5, 4, 7, dtype=dtype)
    out = whole.permute(2, 1, 0)[2:5]
    machine.run(op.copy(x.shape, strided(x), strided(out), x.element_size()))
    assert torch.equal(out, x)


@pytest.mark.parametrize("width", [1, 19, 85])
def test_softmax_of_rows(machine, width):
    x = machine.put(torch.randn(9, width) * 5)
    out = machine.room(9, width)
    machine.run(op.softmax(rows_of(x), (9, width, 1), rows_of(out), 0.5))
    close(out, (x.double() * 0.5).softmax(dim=1), 1e-6)


@pytest.mark.parametrize("dtype", op.TABLES)
@pytest.mark.parametrize("of_ids", [torch.int32, torch.int64])
def test_rows_of_a_table(machine, dtype, of_ids):
    values = torch.randn(8, 21)
    values[3, :3] = torch.tensor([6e-8, 1e-5, -0.0])  # below the normal numbers of float16
    table = machine.put(values.to(dtype))
    ids = machine.put(torch.tensor([7, 0, 3, 3]).to(of_ids))
    out = machine.room(4, 21)
    given = ids.data_ptr(), ids.element_size()
    machine.run(op.embed(given, rows_of(table), (4, 21, 8), rows_of(out), 2.0, dtype))
    assert torch.equal(out, table[ids.long()].float() * 2)
    with pytest.raises(RuntimeError, match="instruction 0"):
        machine.run(op.embed(given, rows_of(table), (4, 21, 7), rows_of(out)))
