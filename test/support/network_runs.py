# SPDX-License-Identifier: Apache-2.0
"""What a tiny network is made of and which operations a chunk takes."""

from __future__ import annotations

import torch
from support.tiny_policy import FLOW, network_inputs, noise
from torch.utils._python_dispatch import TorchDispatchMode

from quantvla_ros.models.flow import normalized_chunk


class Schedule(TorchDispatchMode):
    """Every operation with the shapes and types of what it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [(tuple(a.shape), a.dtype) for a in args if isinstance(a, torch.Tensor)]
        self.seen.append((str(function), tensors))
        return function(*args, **(kwargs or {}))


def chunk(network):
    with torch.no_grad():
        return normalized_chunk(network, noise(), network.encode(network_inputs()), FLOW)


def schedule(network):
    with Schedule() as found:
        chunk(network)
    return found.seen


def tree(network):
    return [(name, type(module)) for name, module in network.named_modules()]
