# SPDX-License-Identifier: Apache-2.0
"""Linear layers of the engine: integers against int64, floats against float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from quantvla_ros.backends.cpu.engine.instructions import Activation, Epilogue, Grid, Rows
from quantvla_ros.backends.cpu.engine.layers import float_linear, integer_linear
from quantvla_ros.backends.cpu.engine.operations import quantize
from quantvla_ros.backends.cpu.engine.weights import pack_codes, pack_float, pack_integer

ACTIVATIONS = {
    Activation.NONE: lambda x: x,
    Activation.RELU: F.relu,
    Activation.SILU: F.silu,
    Activation.GELU_TANH: lambda x: F.gelu(x, approximate="tanh"),
    Activation.GELU_ERF: F.gelu,
    Activation.SIGMOID: torch.sigmoid,
    Activation.TANH: torch.tanh,
}
# rows, inputs, outputs: tiles of all heights, inputs and outputs that fill no register
SHAPES = ((1, 1, 1), (2, 7, 3), (13, 130, 37), (25, 64, 32), (85, 20, 80))


def rows_of(tensor):
    return Rows(tensor.data_ptr(), tensor.stride(0))


def integers(machine, shape, bits, limit, groups, gated=False):
    """Random codes and a grid with rows at both ends, scales that are powers of two."""
    rows, inputs, outputs = shape
    most = 127 if bits == 8 else 7
    count = 2 if gated else 1
    codes = [
        torch.randint(-most, most + 1, (outputs, inputs), dtype=torch.int8) for _ in range(count)
    ]
    scales = [torch.exp2(torch.randint(-1, 2, (outputs, groups)).float()) for _ in range(count)]
    for part in codes:
        part[0], part[-1] = most, -most
    grid = torch.randint(-limit, limit + 1, (rows, inputs))
    grid[0], grid[-1] = limit, -limit
    grid[:, -1] = limit  # makes a dynamic step 1
    weights = pack_integer(codes, scales, None, machine.columns, bits, machine.zero_point(limit))
    return codes, scales, grid, machine.hold(weights)


def quantized(machine, x, limit, fixed=0.0):
    """The grid of floats, made by the engine, and its instruction."""
    stride = -(-x.shape[1] // 64) * 64
    held = machine.put(x)
    grid = machine.room(x.shape[0], stride, dtype=torch.uint8)
    steps = machine.room(x.shape[0])
    to = Grid(grid.data_ptr(), stride, steps.data_ptr(), limit, fixed)
    return to, quantize(rows_of(held), (*x.shape, 1), to)


@pytest.mark.parametrize(("bits", "groups"), [(8, 1), (4, 1), (4, 5)])
@pytest.mark.parametrize("fixed", [0.0, 0.25])
def test_integer_sums_are_exact(integer_machine, bits, groups, fixed):
    machine = integer_machine
    wide = bits == 4 or machine.unit != "avx2"
    limit = 127 if wide else 63
    for rows, inputs, outputs in SHAPES:
        shape = rows, inputs if groups == 1 else inputs * 4 * groups, outputs
        codes, scales, grid, weights = integers(machine, shape, bits, limit, groups)
        to, first = quantized(machine, grid.float() * (fixed or 1.0), limit, fixed)
        out = machine.room(rows, outputs)
        machine.run(first, integer_linear(to, rows, weights, rows_of(out)))
        sums = torch.einsum(
            "tgk,ogk->tog",
            grid.unflatten(1, (groups, -1)),
            codes[0].long().unflatten(1, (groups, -1)),
        )
        expected = (sums.double() * scales[0].double()).sum(dim=2) * (fixed or 1.0)
        assert torch.equal(out.double(), expected), shape


def test_eight_bits_saturate_on_avx2_and_nowhere_else(integer_machine):
    """What the proof at load must find."""
    machine = integer_machine
    shape = 3, 64, 32
    codes, _, grid, weights = integers(machine, shape, 8, 127, 1)
    to, first = quantized(machine, grid.float(), 127)
    out = machine.room(3, 32)
    machine.run(first, integer_linear(to, 3, weights, rows_of(out)))
    exact = bool((out[:, 0] / weights.scales[0, 0, 0] == grid @ codes[0][0].long()).all())
    assert exact == (machine.unit != "avx2")


@pytest.mark.parametrize("gated", [False, True])
def test_an_integer_layer_ends_with_its_epilogue(integer_machine, gated):
    machine = integer_machine
    shape, limit = (13, 36, 41), 63
    codes, scales, grid, weights = integers(machine, shape, 8, limit, 1, gated)
    to, first = quantized(machine, grid.float() * 0.01, limit)
    wide = machine.room(13, 50)
    out = wide[:, 3:44]
    residual, gate = machine.put(torch.randn(13, 41)), machine.put(torch.randn(41))
    epilogue = Epilogue(
        Activation.SILU,
        gate=gate.data_ptr(),
        residual=residual.data_ptr(),
        residual_stride=41,
    )
    machine.run(first, integer_linear(to, 13, weights, rows_of(out), epilogue))
    sums = [
        0.01 * (grid.double() @ c.T.double()) * s[:, 0] for c, s in zip(codes, scales, strict=True)
    ]
    expected = F.silu(sums[0]) * (sums[1] if gated else 1.0) * gate + residual
    torch.testing.assert_close(out.double(), expected, rtol=2e-5, atol=2e-5)
    assert bool(wide[:, :3].isnan().all() and wide[:, 44:].isnan().all())


def test_a_row_that_is_not_finite_stays_so(machine):
    _, _, grid, weights = integers(machine, (4, 20, 9), 8, 63, 1)
    x = grid.float()
    x[1, 3], x[2, 5] = float("nan"), float("inf")
    for fixed in (0.0, 0.5):
        to, first = quantized(machine, x, 63, fixed)
        out = machine.room(4, 9)
        machine.run(first, integer_linear(to, 4, weights, rows_of(out)))
        assert out.isnan().any(dim=1).tolist() == [False, True, True, False]


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8", "int4", "grouped"])
def test_floats_are_right(machine, kind):
    for rows, inputs, outputs in SHAPES:
        if kind == "grouped":
            inputs *= 6
        weight = torch.randn(outputs, inputs)
        bias = torch.randn(outputs)
        if kind in ("float32", "bfloat16"):
            weight = weight.to(getattr(torch, kind))
            packed = pack_float(weight, bias, machine.columns)
        else:
            bits = 8 if kind == "int8" else 4
            most = 127 if bits == 8 else 7
            codes = torch.randint(-most, most + 1, weight.shape, dtype=torch.int8)
            scales = torch.rand(outputs, 6 if kind == "grouped" else 1) / most
            packed = pack_codes([codes], [scales], bias, machine.columns, bits)
            weight = codes.double() * scales.double().repeat_interleave(
                inputs // scales.shape[1], dim=1
            )
        x = machine.put(torch.randn(rows, inputs))
        out = machine.room(rows, outputs)
        machine.run(float_linear(rows_of(x), rows, machine.hold(packed), rows_of(out)))
        expected = x.double() @ weight.double().T + bias.double()
        torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("activation", list(Activation))
def test_every_activation(machine, activation):
    weight = torch.eye(33)
    x = machine.put(torch.linspace(-20, 20, 5 * 33).view(5, 33))
    out = machine.room(5, 33)
    packed = machine.hold(pack_float(weight, None, machine.columns))
    machine.run(float_linear(rows_of(x), 5, packed, rows_of(out), Epilogue(activation)))
    expected = ACTIVATIONS[activation](x.double())
    torch.testing.assert_close(out.double(), expected, rtol=1e-6, atol=3e-7)


def test_a_gated_float_layer_and_what_is_added(machine):
    gate, up = torch.randn(45, 19), torch.randn(45, 19)
    packed = machine.hold(pack_float(gate, None, machine.columns, up))
    x, table = machine.put(torch.randn(14, 19)), machine.put(torch.randn(7, 45))
    factor = machine.put(torch.randn(14, 45))
    out = machine.room(14, 45)
    epilogue = Epilogue(
        Activation.GELU_TANH,
        multiply=factor.data_ptr(),
        multiply_stride=45,
        residual=table.data_ptr(),
        residual_stride=45,
        period=7,
    )
    machine.run(float_linear(rows_of(x), 14, packed, rows_of(out), epilogue))
    y = x.double()
    opened = F.gelu(y @ gate.double().T, approximate="tanh") * (y @ up.double().T)
    expected = opened * factor.double() + table.double().repeat(2, 1)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=3e-5)


def test_results_are_the_same_for_any_number_of_threads(machine):
    weights = machine.hold(pack_float(torch.randn(75, 300), None, machine.columns))
    x, out = machine.put(torch.randn(50, 300)), machine.room(50, 75)
    found = []
    for threads in (1, 2, machine.threads):
        machine.threads = threads
        machine.run(float_linear(rows_of(x), 50, weights, rows_of(out)))
        found.append(out.clone())
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
