# SPDX-License-Identifier: Apache-2.0
"""Lets go of the network's tensors that a program holds in its own form."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from quantvla_ros.models.graphs import Graphs


class _Touched(TorchFunctionMode):
    """Collects the memory of all tensors that PyTorch's functions are given."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[int] = set()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor):
                self.addresses.add(value.untyped_storage().data_ptr())
        return function(*args, **(kwargs or {}))


def release(network: nn.Module, graphs: Graphs, example: Mapping[str, Tensor]) -> None:
    """Put tensors without memory in the place of all that the host's own work does not read.

    Args:
        network: in place; only what `graphs.host` and `graphs.time` call still works.
        graphs: of the network.
        example: inputs of the network.
    """
    with torch.no_grad(), _Touched() as touched:
        graphs.host(example)
        graphs.time(torch.ones(1))

    def gone(tensor: Tensor | None) -> bool:
        if tensor is None:
            return False
        return tensor.untyped_storage().data_ptr() not in touched.addresses

    for module in network.modules():
        for name, parameter in module._parameters.items():
            if gone(parameter):
                assert parameter is not None
                module._parameters[name] = nn.Parameter(parameter.to("meta"), requires_grad=False)
        for name, buffer in module._buffers.items():
            if gone(buffer):
                assert buffer is not None
                module._buffers[name] = buffer.to("meta")
    gc.collect()  # exported graphs hold weights, and themselves in circles
