# SPDX-License-Identifier: Apache-2.0
"""Gives the products of integer linears the linears' names, so that the compiled engine tells them.

Whatever lies between our graph and TensorRT's network (lowering, an ONNX file) renames operators;
the integers of a weight come through unchanged, and a linear is known by them.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from quantvla_ros.quantization.quantized_linear import quantized_layers

_MARK = re.compile(r"linear<([^<>]+)>")


def weight_digest(codes: Any) -> bytes:
    """What a weight is known by, whatever its shape.

    Args:
        codes: int8 array.
    """
    return hashlib.blake2b(np.ascontiguousarray(codes).tobytes(), digest_size=16).digest()


def integer_linears(network: nn.Module, left_out: frozenset[str]) -> dict[bytes, list[str]]:
    """Names of a network's integer linears by the digest of their weights.

    Args:
        network: with quantized layers in place.
        left_out: linears that no graph has.
    """
    found: dict[bytes, list[str]] = defaultdict(list)
    for name, layer in quantized_layers(network).items():
        if name not in left_out:
            found[weight_digest(layer.codes().numpy())].append(name)
    return dict(found)


def marked(text: str) -> list[str]:
    """The linears that the name or description of a compiled layer tells."""
    return _MARK.findall(text)


def name_linears(trt: Any, network: Any, names: Mapping[bytes, Sequence[str]]) -> None:
    """Mark each product that reads an integer weight with its linear's name.

    Args:
        trt: TensorRT's module.
        network: TensorRT's `INetworkDefinition`, changed in place.
        names: see `integer_linears`.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    readers: dict[str, list[Any]] = defaultdict(list)
    for layer in layers:
        for index in range(layer.num_inputs):
            if (tensor := layer.get_input(index)) is not None:
                readers[tensor.name].append(layer)
    kinds = trt.LayerType
    between = {kinds.DEQUANTIZE, kinds.CAST, kinds.SHUFFLE, kinds.IDENTITY}
    left = {digest: list(found) for digest, found in names.items()}
    for layer in layers:
        if layer.type != kinds.CONSTANT or layer.get_output(0).dtype != trt.int8:
            continue
        layer.__class__ = trt.IConstantLayer  # the bindings give the base class
        found = left.get(weight_digest(layer.weights))
        if not found:
            continue
        reader = layer
        while reader.type in between or reader is layer:
            after = readers[reader.get_output(0).name]
            if not after:
                break
            reader = after[0]
        if reader.type == kinds.MATRIX_MULTIPLY:
            mark = f"linear<{found.pop(0)}>"
            reader.name, reader.metadata = mark, f"[{mark}]"
