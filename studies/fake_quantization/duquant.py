# SPDX-License-Identifier: Apache-2.0
"""DuQuant, the base quantizer of the paper's tables; for studies, not for deployment.

Smoothing, a rotation in blocks, a zigzag permutation of the channels, and a second rotation
(Lin et al. 2024; block 64 and smoothing 0.15 in arXiv 2602.20309). The rotations are arbitrary
orthogonal matrices and run online before every layer, so the integer backends do not offer them:
a transformed layer is evaluated with `layer.StudyLinear`.

The original searches its rotations on the tokens themselves. Here a channel's size is estimated
from what calibration keeps: the channels' correlation, scaled to their observed peaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.transforms.base import TransformedLinear
from quantvla_ros.quantization.transforms.rotation import block_for
from quantvla_ros.quantization.transforms.scaling import plain_linears
from quantvla_ros.quantization.transforms.smoothquant import smoothing_scale

if TYPE_CHECKING:
    from quantvla_ros.quantization.observe import InputStatistics

STRENGTH = 0.15
BLOCK = 64
SEARCH_STEPS = 256
SEED = 20  # of the random orthogonal parts: the same inputs give the same transform


class DuQuantLinear(TransformedLinear):
    """A linear behind smoothing, rotation, permutation and rotation."""

    smoothing: Tensor
    first: Tensor
    order: Tensor
    second: Tensor

    @classmethod
    def from_linear(
        cls, linear: nn.Linear, smoothing: Tensor, first: Tensor, order: Tensor, second: Tensor
    ) -> DuQuantLinear:
        """Take over a float layer.

        Args:
            linear: the layer.
            smoothing: factors that divide the input [in].
            first: orthogonal matrices [in / block, block, block] that blocks are multiplied with.
            order: channel that each place takes from the rotated input, int64 [in].
            second: like `first`, for the permuted channels.
        """
        out, dtype = cls.like(linear), linear.weight.dtype
        out.register_buffer("smoothing", smoothing.to(dtype), persistent=False)
        out.register_buffer("first", first.to(dtype), persistent=False)
        out.register_buffer("order", order, persistent=False)
        out.register_buffer("second", second.to(dtype), persistent=False)
        weight = linear.weight.detach().double() * smoothing
        out.weight.data.copy_(rotate_blocks(rotate_blocks(weight, first)[:, order], second))
        return out

    def transform(self, x: Tensor) -> Tensor:
        """The transformed input [..., in]."""
        x = rotate_blocks(x / self.smoothing, self.first)
        return rotate_blocks(x[..., self.order], self.second)


def rotate_blocks(x: Tensor, matrices: Tensor) -> Tensor:
    """Multiply each block of the last axis of [..., n] with its matrix, [n / b, b, b]."""
    count, size, _ = matrices.shape
    blocks = x.unflatten(-1, (count, 1, size))
    out: Tensor = (blocks @ matrices.to(x.dtype)).flatten(-3)
    return out


@lru_cache(maxsize=2)
def _spreading(size: int) -> Tensor:
    """Random orthogonal matrices whose first row is constant, float64 [steps, size, size]."""
    generator = torch.Generator().manual_seed(SEED)
    basis = torch.randn(SEARCH_STEPS, size, size, dtype=torch.float64, generator=generator)
    basis[:, :, 0] = size**-0.5
    out: Tensor = torch.linalg.qr(basis).Q.transpose(1, 2)
    return out


def greedy_rotation(moment: Tensor) -> Tensor:
    """Orthogonal matrix [b, b] that flattens the channels of a second moment [b, b].

    Each step takes the largest channel and spreads it evenly over the block: the channel changes
    place with the first one, whose row of the next factor is constant; the other rows are random.
    The product of the first few steps with the lowest peak is kept.
    """
    size = moment.shape[0]
    product = torch.eye(size, dtype=torch.float64)
    current = moment.double()
    best, lowest = product, float(current.diagonal().max())
    for factor in _spreading(size):
        peak = int(current.diagonal().argmax())
        swap = torch.arange(size)
        swap[0], swap[peak] = peak, 0
        step = factor[swap]
        product = product @ step
        current = step.T @ current @ step
        highest = float(current.diagonal().max())
        if highest < lowest:
            best, lowest = product, highest
    return best


def zigzag(sizes: Tensor, block: int) -> Tensor:
    """Order of the channels that gives every block alike shares of large ones.

    The largest channels go to the blocks one by one, forth and back again.

    Args:
        sizes: magnitude of each channel [n].
        block: channels a block; divides n.

    Returns:
        int64 [n]: the channel that each place takes.
    """
    blocks = len(sizes) // block
    places: list[list[int]] = [[] for _ in range(blocks)]
    for rank, channel in enumerate(torch.argsort(sizes, descending=True, stable=True).tolist()):
        turn, step = divmod(rank, blocks)
        places[step if turn % 2 == 0 else blocks - 1 - step].append(channel)
    return torch.tensor([channel for place in places for channel in place])


def _rotations(moment: Tensor, block: int) -> Tensor:
    starts = range(0, moment.shape[0], block)
    return torch.stack([greedy_rotation(moment[s : s + block, s : s + block]) for s in starts])


class DuQuant:
    """The transform for every observed layer, or for those that are named."""

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        self.layers = layers
        self._parts: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def fit(self, network: nn.Module, statistics: Mapping[str, InputStatistics]) -> None:
        """Search the transforms; see `Transform`.

        Raises:
            QuantVLAError: a layer was not observed, or without the second moment of its inputs.
        """
        self._parts = {}
        for name in statistics if self.layers is None else self.layers:
            if name not in statistics or statistics[name].hessian is None:
                raise QuantVLAError(
                    f"DuQuant needs the second moment of the inputs of {name}, which was not "
                    "observed; observe with Hessians"
                )
            (linear,) = plain_linears(network, [name], "a layer")
            self._parts[name] = _search(linear, statistics[name])

    def fold(self, network: nn.Module) -> None:
        """Change the network in place; see `Transform`."""
        for name, parts in self._parts.items():
            (linear,) = plain_linears(network, [name], "a layer")
            replace_module(network, name, DuQuantLinear.from_linear(linear, *parts))


def _search(
    linear: nn.Linear, statistics: InputStatistics
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Smoothing, first rotations, order and second rotations of one layer."""
    assert statistics.hessian is not None
    smoothing = smoothing_scale(statistics.absmax, [linear.weight], STRENGTH)
    spread = statistics.hessian.double().diagonal().clamp(min=0).sqrt()
    peak = statistics.absmax.double() / smoothing / spread.clamp(min=1e-30)
    moment = statistics.hessian.double() * peak[:, None] * peak
    block = block_for(linear.in_features, BLOCK)
    first = _rotations(moment, block)
    dense = torch.block_diag(*first)
    moment = dense.T @ moment @ dense
    order = zigzag(moment.diagonal(), block)
    return smoothing, first, order, _rotations(moment[order][:, order], block)
