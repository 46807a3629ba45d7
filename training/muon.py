# SPDX-License-Identifier: Apache-2.0
"""Muon (Jordan et al. 2024) in float32: momentum, made orthogonal by Newton-Schulz iteration.

The optimizer that comes with PyTorch iterates in bfloat16, which takes 25 times as long on a CPU
without bfloat16 units. Step sizes are matched to AdamW's as in Liu et al. 2025.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """Nearest semi-orthogonal matrices, roughly, of a stack [N, rows, cols] with rows <= cols.

    Every iterate is a polynomial of the first Gram matrix times the first matrix. For wide
    matrices the iteration therefore runs on the small Gram matrices and meets the wide ones
    only at its start and its end.
    """
    a, b, c = COEFFICIENTS
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if 2 * x.shape[1] <= x.shape[2]:
        wide: Tensor = _factor(torch.bmm(x, x.transpose(1, 2))) @ x
        return wide
    for _ in range(ITERATIONS):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _factor(gram: Tensor) -> Tensor:
    """What the first matrix is multiplied with in all iterations together [N, rows, rows]."""
    a, b, c = COEFFICIENTS
    product: Tensor | None = None
    for iteration in range(ITERATIONS):
        # One iteration is p(G) x, and the next Gram matrix p(G) G p(G).
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if iteration + 1 < ITERATIONS:
            gram = factor @ gram @ factor
    assert product is not None
    return product


class Muon:
    """Updates for 2-D weights; with several ranks each one computes its share of the updates."""

    def __init__(self, weights: list[Tensor], rate: float, decay: float) -> None:
        self.weights, self.rate, self.decay = weights, rate, decay
        self.momentum = [torch.zeros_like(w) for w in weights]

    def updates(self, rank: int, ranks: int) -> list[Tensor]:
        """Update of every weight, zero where another rank computes it."""
        groups: dict[tuple[int, int], list[tuple[int, Tensor]]] = defaultdict(list)
        for index, (weight, momentum) in enumerate(zip(self.weights, self.momentum, strict=True)):
            assert weight.grad is not None
            momentum.lerp_(weight.grad, 1.0 - MOMENTUM)
            if index % ranks == rank:
                nesterov = weight.grad.lerp(momentum, MOMENTUM)
                wide = nesterov if nesterov.shape[0] <= nesterov.shape[1] else nesterov.T
                groups[(wide.shape[0], wide.shape[1])].append((index, wide))
        out = [torch.zeros_like(w) for w in self.weights]
        for shape, members in groups.items():
            stacked = orthogonalize(torch.stack([m for _, m in members]))
            stacked *= 0.2 * max(shape) ** 0.5
            for (index, _), update in zip(members, stacked, strict=True):
                out[index].copy_(update if out[index].shape == update.shape else update.T)
        return out

    def apply(self, updates: list[Tensor], scale: float) -> None:
        """Take a step of ``rate * scale`` along the updates, with decoupled weight decay."""
        rate = self.rate * scale
        with torch.no_grad():
            for weight, update in zip(self.weights, updates, strict=True):
                weight.mul_(1.0 - rate * self.decay).sub_(update, alpha=rate)

    def state_dict(self) -> dict[str, Any]:
        """The momentum."""
        return {"momentum": self.momentum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved momentum."""
        self.momentum = state["momentum"]
