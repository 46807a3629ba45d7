# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT's converters for our two operators, and the guard that keeps their integers.

Torch-TensorRT computes beforehand whatever depends on constants alone. An INT8 weight and its scale
do, so it would put the float weight in their place: the build succeeds, the plan is larger and has
no product of integers. The guard tells it that our operators are not to be computed.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import torch

from quantvla_ros.backends.tensorrt.library import tensorrt


@cache
def add_converters() -> None:
    """Make our operators known to Torch-TensorRT, once a process."""
    import quantvla_ros.backends.graphs.operators  # noqa: F401  defines them

    ours = torch.ops.quantvla
    add_folding_guard({ours.fake_int8.default, ours.int8_weight.default})
    conversion = importlib.import_module("torch_tensorrt.dynamo.conversion")
    conversion.dynamo_tensorrt_converter(ours.fake_int8.default)(_quantized)
    conversion.dynamo_tensorrt_converter(ours.int8_weight.default)(_dequantized_weight)


def add_folding_guard(kept: set[Any]) -> None:
    """Keep Torch-TensorRT from folding these operators' results into constants."""
    folding = importlib.import_module("torch_tensorrt.dynamo.lowering.passes.constant_folding")
    folder = folding._TorchTensorRTConstantFolder
    known = folder.is_impure
    folder.is_impure = lambda self, node: node.target in kept or known(self, node)


def _quantized(ctx: Any, target: Any, args: Any, kwargs: Any, name: str) -> Any:
    """Q and DQ of an activation [...] with one scale."""
    x, scale = args[0], _constant(ctx, _array(args[1], np.float32).reshape(()), f"{name}_scale")
    quantize = ctx.net.add_quantize(x, scale, tensorrt().int8)
    dequantize = ctx.net.add_dequantize(quantize.get_output(0), scale, x.dtype)
    quantize.name, dequantize.name = f"{name}_q", f"{name}_dq"
    return dequantize.get_output(0)


def _dequantized_weight(ctx: Any, target: Any, args: Any, kwargs: Any, name: str) -> Any:
    """DQ of an INT8 weight [out, in] with a scale for each output channel [out]."""
    codes = _constant(ctx, _array(args[0], np.int8), f"{name}_codes")
    scale = _constant(ctx, _array(args[1], np.float32).reshape(-1), f"{name}_scale")
    dequantize = ctx.net.add_dequantize(codes, scale, _type(args[2]))
    dequantize.axis, dequantize.name = 0, f"{name}_dq"
    return dequantize.get_output(0)


def _constant(ctx: Any, value: Any, name: str) -> Any:
    # TensorRT reads the array when it builds: the context must hold it until then.
    ctx.__dict__.setdefault("quantvla_constants", []).append(value)
    layer = ctx.net.add_constant(value.shape, tensorrt().Weights(value))
    layer.name = name
    return layer.get_output(0)


def _array(value: Any, kind: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.ascontiguousarray(value, dtype=kind)


def _type(kind: Any) -> Any:
    trt = tensorrt()
    types = {
        torch.float32: trt.float32,
        torch.float16: trt.float16,
        torch.bfloat16: trt.bfloat16,
    }
    return types.get(kind, kind)  # newer versions give TensorRT's own already
