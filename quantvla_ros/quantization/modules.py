# SPDX-License-Identifier: Apache-2.0
"""Find and replace the modules of a network by their dotted names."""

from __future__ import annotations

from torch import nn


def linear_at(network: nn.Module, name: str) -> nn.Linear:
    """The linear layer `name`; the caller must name a linear."""
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Linear), name
    return layer


def replace_module(network: nn.Module, name: str, new: nn.Module) -> None:
    """Put `new` where `name` stands."""
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, new)
