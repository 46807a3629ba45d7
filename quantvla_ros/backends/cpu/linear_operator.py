# SPDX-License-Identifier: Apache-2.0
"""A packed product as an operator that compiled graphs call."""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.packed_weight import PackedWeight

# A compiled graph cannot hold a packed weight, so it holds an index into this list. The operator
# is registered without autograd: inference only, and several times less call overhead.
_PACKED: list[PackedWeight] = []
_LIBRARY = torch.library.Library("quantvla", "DEF")
_LIBRARY.define("packed_linear(Tensor x, int handle) -> Tensor")


def _packed_linear(x: Tensor, handle: int) -> Tensor:
    return _PACKED[handle].apply(x)


def _packed_linear_meta(x: Tensor, handle: int) -> Tensor:
    return x.new_empty((x.shape[0], _PACKED[handle].rows), dtype=torch.float32)


_LIBRARY.impl("packed_linear", _packed_linear, "CPU")
_LIBRARY.impl("packed_linear", _packed_linear_meta, "Meta")


def register(packed: PackedWeight) -> int:
    """Keep a packed weight for the life of the process; returns its handle."""
    _PACKED.append(packed)
    return len(_PACKED) - 1


def multiply(x: Tensor, handle: int) -> Tensor:
    """`PackedWeight.apply` as an operator that compiled graphs call."""
    out: Tensor = torch.ops.quantvla.packed_linear(x, handle)
    return out
