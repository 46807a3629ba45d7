# SPDX-License-Identifier: Apache-2.0
"""Names, shapes and types of what goes into an engine and comes out, beside its graph's.

The runtime finds an engine's tensors by their names, and a builder is free to rename them on the
way: so they are looked at before a plan is kept.
"""

from __future__ import annotations

from typing import Any

import torch

from quantvla_ros.backends.graphs.program import Tensors, TensorSpec
from quantvla_ros.errors import BackendError

_KINDS = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
}


def network_tensors(network: Any) -> Tensors:
    """Of TensorRT's `INetworkDefinition`, and so of the engine that becomes of it.

    Raises:
        BackendError: see `engine_spec`.
    """

    def all_of(count: int, get: Any) -> dict[str, TensorSpec]:
        tensors = [get(index) for index in range(count)]
        return {t.name: engine_spec(t.name, t.shape, t.dtype) for t in tensors}

    return Tensors(
        all_of(network.num_inputs, network.get_input),
        all_of(network.num_outputs, network.get_output),
    )


def engine_spec(name: str, shape: Any, kind: Any) -> TensorSpec:
    """Of a tensor as TensorRT tells its shape and type.

    Raises:
        BackendError: no graph of ours has that type.
    """
    if kind.name not in _KINDS:
        raise BackendError(
            f"tensor '{name}' of the engine is of type {kind.name}, which no graph of ours has; "
            "build the engines again (`quantvla build --force`)"
        )
    return TensorSpec(tuple(shape), _KINDS[kind.name])


def differences(wanted: Tensors, found: Tensors) -> list[str]:
    """What differs, in words; empty if nothing does."""
    words = []
    for side, one, other in (
        ("input", wanted.inputs, found.inputs),
        ("output", wanted.outputs, found.outputs),
    ):
        words += [f"{side} '{name}' is missing" for name in one if name not in other]
        words += [f"{side} '{name}' is in no graph" for name in other if name not in one]
        words += [
            f"{side} '{name}' is {_told(other[name])} in place of {_told(one[name])}"
            for name in one
            if name in other and one[name] != other[name]
        ]
    return words


def _told(spec: TensorSpec) -> str:
    return f"{list(spec.shape)} {str(spec.dtype).removeprefix('torch.')}"
