# SPDX-License-Identifier: Apache-2.0
"""Proves at load that packed integers multiply exactly, by the very instruction that will run.

The activation grid (7 or 8 bits) is a property of the bundle, so a bundle gives the same integers
on every CPU that can run it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.engine import layers, operations
from quantvla_ros.backends.cpu.engine.instructions import Grid, Instruction, Rows
from quantvla_ros.backends.cpu.engine.library import Engine
from quantvla_ros.backends.cpu.engine.weights import FloatWeights, IntegerWeights
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.quantized_linear import QuantizedLinear

PROBED = 32  # inputs that are not zero in a token of the proof of float activations
ROWS = 1024  # channels that are widened at once
ROW = 64  # bytes of a grid's row are a multiple of this


def check_exact(
    engine: Engine,
    packed: FloatWeights,
    codes: Sequence[Tensor],
    scales: Sequence[Tensor],
    layer: QuantizedLinear,
) -> None:
    """Compare with exact arithmetic on the largest inputs that the grid allows.

    Args:
        engine: that will multiply.
        packed: weights; those of a gated product have no activation here, so that the gate's and
            the other's sums are multiplied.
        codes: int8 [out, in] of the product, or of gate and up.
        scales: float32 [out, groups] of each.
        layer: one of the product's, for its form.

    Raises:
        BackendError: the processor does not multiply this form exactly.
    """
    limit = activation_limit(layer.activation_bits)
    step = 1.0 if layer.activation_scale is None else float(layer.activation_scale)
    weight_only = layer.precision.activation == "float"
    grid = _sparse(codes[0], limit) if weight_only else _extremes(codes[0], limit)
    got = multiply(engine, packed, grid.float() * step, layer).double()
    groups, exact, size = scales[0].shape[1], [], []
    for part, scale in zip(codes, scales, strict=True):
        terms = _group_sums(grid, part, groups) * scale.double() * step
        magnitudes = _group_sums(grid.abs(), part.abs(), groups) if weight_only else None
        exact.append(terms.sum(dim=2))
        size.append(
            terms.abs().sum(dim=2)
            if magnitudes is None
            else (magnitudes * scale.double() * step).sum(dim=2)
        )
    bias = torch.zeros(()) if packed.bias is None else packed.bias[: len(codes[0])].double()
    if len(exact) == 1:
        wanted, magnitude = exact[0] + bias, size[0] + bias.abs()
    else:
        wanted, magnitude = exact[0] * exact[1], 2 * size[0] * size[1]
    # Roundings to float32: the sum of a group, its products with scale and step, their addition;
    # with float activations every product rounds, and every addition that is not one of zero.
    roundings = PROBED + 6 if weight_only else groups + 6
    if not bool(((got - wanted).abs() <= magnitude * roundings * 2.0**-24).all()):
        bits = "float" if weight_only else f"{layer.activation_bits}-bit"
        raise BackendError(
            f"this CPU does not multiply {bits} activations with "
            f"{layer.precision.weight_bits}-bit weights exactly; quantize the bundle again on this "
            "machine"
        )


def multiply(
    engine: Engine, packed: FloatWeights, x: Tensor, layer: QuantizedLinear, block: int = 0
) -> Tensor:
    """Floats [rows, in] times packed weights by one product's instructions, [rows, out].

    Args:
        engine: that multiplies.
        packed: weights.
        x: float32.
        layer: one of the product's, for its form.
        block: of the Hadamard transform in front of a grid; 0 for none.
    """
    x = x.contiguous()
    rows, inputs = x.shape
    out = torch.empty(rows, packed.outputs)
    source, to = Rows(x.data_ptr(), inputs), Rows(out.data_ptr(), packed.outputs)
    if not isinstance(packed, IntegerWeights):
        _run(engine, [layers.float_linear(source, rows, packed, to)])
        return out
    grid_bytes = torch.zeros(rows, -(-inputs // ROW) * ROW, dtype=torch.uint8)
    steps = torch.empty(rows)
    fixed = 0.0 if layer.activation_scale is None else float(layer.activation_scale)
    limit = activation_limit(layer.activation_bits)
    place = grid_bytes.data_ptr(), grid_bytes.stride(0), steps.data_ptr()
    grid = Grid(*place, limit, fixed, block)
    code = [
        operations.quantize(source, (rows, inputs, 1), grid),
        layers.integer_linear(grid, rows, packed, to),
    ]
    _run(engine, code)
    return out


def _run(engine: Engine, code: list[Instruction]) -> None:
    engine.run((Instruction * len(code))(*code))


def _group_sums(grid: Tensor, codes: Tensor, groups: int) -> Tensor:
    """Sums of products [tokens, out, groups], in float64, which holds integers up to 2**53."""
    apart = grid.double().unflatten(1, (groups, -1))
    parts = [
        torch.einsum("tgk,ogk->tog", apart, some.double().unflatten(1, (groups, -1)))
        for some in codes.split(ROWS)
    ]
    return torch.cat(parts, dim=1)


def _extremes(codes: Tensor, limit: int) -> Tensor:
    """Integers [4, in] that push sums to their ends, each with a value at the grid's limit.

    All at the limit, and each activation at the limit with the sign of a weight row. With a step
    per token the largest value makes the step 1, so that the grid is the input itself.
    """
    columns = codes.shape[1]
    signs = torch.where(codes[:2] >= 0, 1, -1).long() * limit
    return torch.cat([torch.full((1, columns), limit), torch.full((1, columns), -limit), signs])


def _sparse(codes: Tensor, limit: int) -> Tensor:
    """Integers [n, in] with few that are not zero in a token and one for each column in all."""
    columns = codes.shape[1]
    tokens = -(-columns // PROBED)
    grid = torch.zeros(tokens, columns, dtype=torch.int64)
    for token in range(tokens):
        grid[token, token::tokens] = limit
    return grid
