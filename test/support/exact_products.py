# SPDX-License-Identifier: Apache-2.0
"""Run by `test_avx2.py`: the kernels chosen in this process against int64 arithmetic.

Scales and steps are powers of two and every sum stays below 2**24, so that float32 holds all of it
and a result is equal or wrong. Writes the kernels that were proved and found equal, as JSON.
"""

from __future__ import annotations

import json

import torch

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program.linear_table import IntegerLayer
from quantvla_ros.backends.cpu.program.proof import multiply
from quantvla_ros.backends.cpu.program.weights import Weights
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import has_vnni
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.codes import Codes
from quantvla_ros.quantization.schemes import Precision

SHAPES = ((1, 1), (3, 7), (21, 130), (37, 1003))  # rows and depth; blocks are 16 rows times 4
GROUPED = ((5, 36, 12), (37, 980, 28))  # rows, depth, inputs that share a scale
TOKENS = (1, 2, 3, 4, 5, 13, 66)  # a tile is up to four
STEP = 0.25  # of a static grid


def product(rows: int, depth: int, precision: Precision, bits: int) -> QuantizedLinear:
    """Random weights, with a row of the largest and one of the smallest."""
    largest = 127 if precision.weight_bits == 8 else 7
    values = torch.randint(-largest, largest + 1, (rows, depth), dtype=torch.int8)
    values[-1], values[0] = -largest, largest
    groups = depth // (precision.group or depth)
    scales = torch.exp2(torch.randint(-1, 2, (rows, groups)).float())
    step = torch.tensor(STEP) if precision.activation == "static" else None
    return QuantizedLinear.from_codes(Codes(values, scales), None, precision, bits, step)


def inputs(value: QuantizedLinear, tokens: int) -> torch.Tensor:
    """Integers [tokens, in] of the grid; the largest is in each token and so makes its step 1."""
    grid = torch.randint(-value.limit, value.limit + 1, (tokens, value.columns))
    grid[0] = value.limit
    grid[-1] = -value.limit
    grid[:, -1] = value.limit
    return grid


def check(value: QuantizedLinear) -> str:
    """The name of the kernel that was chosen and proved, when it is exact on all inputs."""
    held = Weights(load_engine())
    packed = held.pack([IntegerLayer("", value)])
    groups = value.scale.shape[1]
    step = 1.0 if value.activation_scale is None else float(value.activation_scale)
    codes = value.codes().long().unflatten(1, (groups, -1))
    for tokens in TOKENS:
        grid = inputs(value, tokens)
        sums = torch.einsum("tgk,ogk->tog", grid.unflatten(1, (groups, -1)), codes)
        expected = (sums.double() * value.scale.double()).sum(dim=2) * step
        got = multiply(held.engine, packed, grid.float() * step, value).double()
        assert torch.equal(got, expected), (held.kernel, tokens, *value.codes().shape)
    return held.kernel.partition(",")[0]


def kernels(weight_bits: int, activation: str) -> list[str]:
    """The kernels that products of all shapes get."""
    shapes = [(*shape, None) for shape in SHAPES]
    if weight_bits == 4:
        shapes += list(GROUPED)
    names = set()
    for rows, depth, group in shapes:
        precision = Precision(weight_bits, group, activation)
        names.add(check(product(rows, depth, precision, native_activation_bits(precision))))
    return sorted(names)


def saturates() -> bool:
    """Whether 8-bit activations with 8-bit weights are refused by the proof."""
    codes = Codes(torch.full((32, 256), 127, dtype=torch.int8), torch.ones(32, 1))
    layer = QuantizedLinear.from_codes(codes, None, Precision(8), 8)
    try:
        Weights(load_engine()).pack([IntegerLayer("", layer)])
    except BackendError:
        return True
    return False


def main() -> None:
    """Write what this process found."""
    torch.manual_seed(0)
    found = {
        "vnni": has_vnni(),
        "int8_bits": native_activation_bits(Precision(8)),
        "saturates": saturates(),
        "kernels": {
            f"{bits} {activation}": kernels(bits, activation)
            for bits in (8, 4)
            for activation in ("dynamic", "static", "float")
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
