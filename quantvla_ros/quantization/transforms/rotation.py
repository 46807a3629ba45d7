# SPDX-License-Identifier: Apache-2.0
"""Hadamard rotation of the inputs that no norm precedes: attention outputs and MLP middles.

A rotation spreads an outlier over its block. Behind an attention it costs nothing: a head's output
is a mean of its values, so the rotation goes into Wv's rows and Wo's columns, head by head. Behind
an activation function it must run online, before the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.sites import Sites, ValueSite
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.transforms.base import TransformedLinear
from quantvla_ros.quantization.transforms.hadamard import check_block, hadamard
from quantvla_ros.quantization.transforms.scaling import plain_linears

if TYPE_CHECKING:
    from quantvla_ros.quantization.observe import InputStatistics

BLOCK = 64


def block_for(width: int, largest: int = BLOCK) -> int:
    """Largest power of two that divides `width` and is at most `largest`."""
    return min(width & -width, largest)


class RotatedLinear(TransformedLinear):
    """A linear whose input is rotated online; its weight is in the rotated frame."""

    rotation: int

    @classmethod
    def from_linear(cls, linear: nn.Linear, block: int) -> RotatedLinear:
        """Take over a float layer.

        Raises:
            QuantVLAError: the block is no power of two that divides the layer's inputs.
        """
        check_block(block, linear.in_features)
        out = cls.like(linear)
        out.rotation = block
        out.weight.data.copy_(hadamard(linear.weight.detach().double(), block))
        return out

    def transform(self, x: Tensor) -> Tensor:
        """The rotated input [..., in]."""
        return hadamard(x, self.rotation)


class HadamardRotation:
    """Rotation of attention outputs (folded) and of the MLPs' second linears (online).

    Attributes:
        skipped: reason by layer, for those of the observed layers that it left alone.
    """

    def __init__(
        self, sites: Sites, block: int = BLOCK, layers: Sequence[str] | None = None
    ) -> None:
        """Take the network's sites, the largest block, and the layers.

        None takes all observed layers that it is meant for.

        A narrower layer, or one whose width the block does not divide, gets the largest power of
        two that does.
        """
        check_block(block, block)
        self.sites, self.block, self.layers = sites, block, layers
        self.skipped: dict[str, str] = {}
        self._folded: list[ValueSite] = []
        self._online: list[str] = []

    def fit(self, network: nn.Module, statistics: Mapping[str, InputStatistics]) -> None:
        """Choose the layers; see `Transform`. A Hadamard rotation looks at no value.

        Raises:
            QuantVLAError: a layer was named that this rotation is not meant for.
        """
        self.skipped, self._folded, self._online = {}, [], []
        online = {site.down for site in self.sites.gated} | set(self.sites.plain)
        attended = {name: site for site in self.sites.values for name in site.readers}
        for name in statistics if self.layers is None else self.layers:
            if name in attended:
                if attended[name] not in self._folded:
                    self._folded.append(attended[name])
            elif name in online:
                self._online.append(name)
            elif self.layers is None:
                self.skipped[name] = "a rotation of its input does not fold; smooth it instead"
            else:
                raise QuantVLAError(
                    f"{name} cannot be rotated: only attention outputs and the second linears of "
                    "MLPs are; smooth it instead"
                )

    def fold(self, network: nn.Module) -> None:
        """Change the network in place; see `Transform`."""
        for site in self._folded:
            block = block_for(site.head_width, self.block)  # must not mix heads
            makers = plain_linears(network, site.makers, "an attention's values")
            readers = plain_linears(network, site.readers, "an attention")
            with torch.no_grad():
                for maker in makers:
                    maker.weight.copy_(hadamard(maker.weight.double().T, block).T)
                    if maker.bias is not None:
                        maker.bias.copy_(hadamard(maker.bias.double(), block))
                for reader in readers:
                    reader.weight.copy_(hadamard(reader.weight.double(), block))
        for name in self._online:
            (linear,) = plain_linears(network, [name], "an MLP")
            rotated = RotatedLinear.from_linear(linear, block_for(linear.in_features, self.block))
            replace_module(network, name, rotated)
