# SPDX-License-Identifier: Apache-2.0
"""Layers whose weights stay in the 16 bits of their file while they compute in float32.

Linears and embeddings hold nearly all of a policy. A linear widens its weight for each product and
forgets it; an embedding widens the rows that it looks up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn


class StoredLinear(nn.Linear):
    """A linear with a 16-bit weight and a float32 bias."""

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 [..., in] to float32 [..., out]."""
        return F.linear(x, self.weight.float(), self.bias)


class StoredEmbedding(nn.Embedding):
    """An embedding with a 16-bit table."""

    def forward(self, ids: Tensor) -> Tensor:
        """Map int64 [...] to float32 [..., width]."""
        return F.embedding(ids, self.weight).float()


_STORED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: StoredLinear,
    nn.Embedding: StoredEmbedding,
}
_PLAIN = {stored: kind for kind, stored in _STORED.items()}


def may_stay_stored(network: nn.Module) -> set[str]:
    """Names of the tensors that need not be float32 for the network to run."""
    return {f"{n}.weight" for n, m in network.named_modules() if type(m) in _STORED}


def compute_in_float32(network: nn.Module) -> None:
    """Let linears and embeddings with 16-bit weights compute in float32, in place."""
    for module in network.modules():
        kind = _STORED.get(type(module))
        if kind is not None and module.weight.element_size() == 2:  # type: ignore[operator]
            module.__class__ = kind


def widen(network: nn.Module) -> None:
    """Make 16-bit weights float32, in place and layer by layer: twice their bytes in the end."""
    for module in network.modules():
        widen_layer(module)


def widen_layer(module: nn.Module) -> None:
    """Make one module's own 16-bit weight float32, in place; nothing if it has none."""
    kind = _PLAIN.get(type(module))
    if kind is not None:
        weight: Tensor = module.weight  # type: ignore[assignment]
        module.weight = nn.Parameter(weight.float(), requires_grad=False)
        module.__class__ = kind


@contextmanager
def widened(module: nn.Module) -> Iterator[None]:
    """Hold the 16-bit weights of all linears in a module as float32 while a block runs.

    Whoever calls the module many times saves the widening of each call.
    """
    stored = [m for m in module.modules() if type(m) is StoredLinear]
    narrow = [m.weight for m in stored]
    try:
        for linear in stored:
            widen_layer(linear)
        yield
    finally:
        for linear, weight in zip(stored, narrow, strict=True):
            linear.weight, linear.__class__ = weight, StoredLinear
