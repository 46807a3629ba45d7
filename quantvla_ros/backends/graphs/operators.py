# SPDX-License-Identifier: Apache-2.0
"""The two operators that stand for quantized numbers in an exported graph.

They are opaque to `torch.export`, so that no pass takes them apart or computes them beforehand, and
each builder translates them in one place. In eager mode they compute what TensorRT does.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOWEST, HIGHEST = -128, 127


@torch.library.custom_op("quantvla::fake_int8", mutates_args=())
def fake_int8(x: Tensor, scale: float) -> Tensor:
    """Round to the INT8 grid and back: a quantize and a dequantize with one scale.

    The grid goes from -128 to 127 as TensorRT's and ONNX's do; the reference's from -127.

    Args:
        x: float [...].
        scale: step of the grid.

    Returns:
        [...] in the type of `x`.
    """
    grid = (x.float() / scale).round().clamp(LOWEST, HIGHEST)
    return (grid * scale).to(x.dtype)


@fake_int8.register_fake
def _(x: Tensor, scale: float) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("quantvla::int8_weight", mutates_args=())
def int8_weight(codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Dequantize a weight along its output channels, which are axis 0.

    Args:
        codes: int8 [out, in].
        scale: float32 [out].
        dtype: of the result.

    Returns:
        [out, in].
    """
    return (codes.float() * scale[:, None]).to(dtype)


@int8_weight.register_fake
def _(codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_like(codes, dtype=dtype)
