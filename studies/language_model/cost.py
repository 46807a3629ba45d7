# SPDX-License-Identifier: Apache-2.0
"""What a rotation in front of a `down_proj` takes at run time, beside the layer itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program.linear_table import IntegerLayer
from quantvla_ros.backends.cpu.program.proof import multiply
from quantvla_ros.backends.cpu.program.weights import Weights
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.hadamard import products

BLOCKS = (None, 16, 64, 512)
ROUNDS = 30


def rotation_cost(linear: nn.Linear, tokens: int) -> dict[str, Any]:
    """CPU time of a layer by the package's engine, in turn with no rotation and with each block.

    Args:
        linear: whose INT8 form is timed; a rotation changes nothing but its input.
        tokens: that it is given at once.
    """
    codes = round_nearest(linear.weight.detach(), 8)
    form, step = Precision(8, None, "static"), torch.tensor(0.05)
    layer = QuantizedLinear.from_codes(codes, None, form, native_activation_bits(form), step)
    engine = load_engine()
    held = Weights(engine)
    packed = held.pack([IntegerLayer("", layer)])
    x = torch.randn(tokens, linear.in_features)
    spent: list[list[float]] = [[] for _ in BLOCKS]
    with torch.no_grad():
        for _ in range(ROUNDS):
            for block, times in zip(BLOCKS, spent, strict=True):
                start = time.process_time()
                multiply(engine, packed, x, layer, block or 0)
                times.append(1e3 * (time.process_time() - start))
    return {
        "kernel": held.kernel,
        "tokens": tokens,
        "inputs": linear.in_features,
        "outputs": linear.out_features,
        "blocks": [
            _row(block, times, linear.out_features)
            for block, times in zip(BLOCKS, spent, strict=True)
        ],
    }


def _row(block: int | None, times: Sequence[float], outputs: int) -> dict[str, Any]:
    return {
        "block": block,
        "added_products": 0.0 if block is None else products(block) / outputs,
        "cpu_ms": round(statistics.median(times), 3),
    }
