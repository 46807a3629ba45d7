# SPDX-License-Identifier: Apache-2.0
"""SmoothQuant and Hadamard rotation, fitted input by input to one static range for each.

A static range is one number for all tokens, so a long tail costs all others their digits. How much
of it goes into the weights, and whether a rotation spreads the rest, is chosen for each input by
the error that its outputs are then expected to have. What folds costs nothing at run time. Behind
an activation function a rotation is one more product in front of the layer; it is taken only where
it pays, in the smallest block that is nearly as good, and within a budget of added products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from quantvla_ros.models.sites import GatedSite, Sites, ValueSite
from quantvla_ros.quantization.modules import linear_at
from quantvla_ros.quantization.transforms.hadamard import products
from quantvla_ros.quantization.transforms.rotation import BLOCK, HadamardRotation, block_for
from quantvla_ros.quantization.transforms.smoothquant import (
    Smoothed,
    as_made,
    as_read,
    fold_scales,
    smoothing_scale,
)
from quantvla_ros.quantization.transforms.static_error import StaticError

if TYPE_CHECKING:
    from quantvla_ros.quantization.observe import InputStatistics

STRENGTHS = (0.35, 0.5, 0.65, 0.8, 0.9, 1.0)  # of smoothing, beside none at all
BLOCKS = (16, BLOCK, 512)  # of a rotation that runs online, beside none at all
WORTH = 0.7  # of the error without it: what an online rotation may leave at most
NEARLY = 1.1  # a smaller block is taken when its error is within this factor of the best


@dataclass(frozen=True)
class FittedInput:
    """How the input of some layers is transformed.

    Attributes:
        layers: that are quantized and read it.
        strength: of smoothing; None for none.
        block: of the Hadamard rotation; None for none.
        added: multiply-adds of a rotation that does not fold, on the calibration samples.
        error: expected squared error of the outputs, relative to their power.
        plain_error: the same without a transform.
    """

    layers: tuple[str, ...]
    strength: float | None
    block: int | None
    added: int
    error: float
    plain_error: float


_Site = Smoothed | str
_Statistics = Mapping[str, "InputStatistics"]


class StaticFit:
    """Both transforms, each where it helps (see `Transform`).

    Attributes:
        inputs: what was chosen.
        products: multiply-adds of the layers themselves, on the calibration samples.
    """

    def __init__(
        self, sites: Sites, kinds: Sequence[str], budget: float, bits: int, limit: int
    ) -> None:
        """Take where transforms fold, and the grids.

        Args:
            sites: of the network.
            kinds: "smoothquant", "hadamard" or both.
            budget: what rotations that do not fold may add, as a share of `products`.
            bits: of the weights' grid.
            limit: largest magnitude on the activations' grid.
        """
        self._sites, self._budget, self._bits, self._limit = sites, budget, bits, limit
        self._strengths = (None, *STRENGTHS) if "smoothquant" in kinds else (None,)
        self._rotates = "hadamard" in kinds
        self.inputs: list[FittedInput] = []
        self.products = 0
        self._scales: dict[Smoothed, Tensor] = {}

    def fit(self, network: nn.Module, statistics: _Statistics) -> None:
        """Choose; the statistics hold samples of tokens (see `observe_inputs`)."""
        source: dict[str, _Site] = {s.down: s for s in self._sites.gated}
        source.update({name: s for s in self._sites.norms for name in s.readers})
        source.update({name: s for s in self._sites.values for name in s.readers})
        members: dict[_Site, list[str]] = {}
        for name in statistics:
            members.setdefault(source.get(name, name), []).append(name)
        self.products = sum(
            seen.count * linear_at(network, name).weight.numel()
            for name, seen in statistics.items()
        )
        fitted = [
            (site, self._options(network, site, members[site], statistics)) for site in members
        ]
        # The budget goes first to where a rotation gains most for what it adds.
        fitted.sort(key=lambda pair: -_gain(pair[1]))
        self.inputs, self._scales, room = [], {}, self._budget * self.products
        for site, options in fitted:
            choice = _chosen(options, room)
            room -= choice.added
            self.inputs.append(choice)
            if choice.strength is not None:
                assert not isinstance(site, str)
                names = choice.layers
                self._scales[site] = _scale(network, site, names, choice.strength, statistics)

    def _options(
        self, network: nn.Module, site: _Site, names: Sequence[str], statistics: _Statistics
    ) -> list[FittedInput]:
        """All that can be done with one input, nothing first."""
        width = linear_at(network, names[0]).in_features
        online = isinstance(site, GatedSite) or site in self._sites.plain
        blocks: list[int | None] = [None]
        if self._rotates and isinstance(site, ValueSite):
            blocks.append(block_for(site.head_width))
        elif self._rotates and online:
            blocks += sorted({block_for(width, block) for block in BLOCKS} - {1})
        # Readers of a norm are given one tensor; attentions that share values are not.
        apart = [[name] for name in names] if isinstance(site, ValueSite) else [list(names)]
        errors = [self._error_of(network, some, statistics) for some in apart]
        out: list[FittedInput] = []
        for strength in (None,) if isinstance(site, str) else self._strengths:
            made = None
            if strength is not None:
                assert not isinstance(site, str)
                made = _scale(network, site, names, strength, statistics)
            for block in blocks:
                error = sum(_read_error(one, site, made, block) for one in errors)
                plain = out[0].error if out else error
                added = 0
                if block and online:
                    added = statistics[names[0]].count * width * products(block)
                out.append(FittedInput(tuple(names), strength, block, added, error, plain))
        return out

    def _error_of(
        self, network: nn.Module, names: Sequence[str], statistics: _Statistics
    ) -> StaticError:
        sample = statistics[names[0]].sample
        assert sample is not None
        weights = [linear_at(network, name).weight for name in names]
        return StaticError(sample, weights, self._bits, self._limit)

    def record(self) -> dict[str, Any]:
        """What was chosen, for the report: the inputs that keep the largest error first."""
        inputs = sorted(self.inputs, key=lambda one: -one.error)
        return {"products": self.products, "inputs": [asdict(one) for one in inputs]}

    def fold(self, network: nn.Module) -> None:
        """Change the network in place; its outputs stay the same to float rounding."""
        fold_scales(network, self._scales)
        for block in sorted({choice.block for choice in self.inputs if choice.block}):
            names = [n for c in self.inputs if c.block == block for n in c.layers]
            rotation = HadamardRotation(self._sites, block, names)
            rotation.fit(network, {})
            rotation.fold(network)


def _scale(
    network: nn.Module,
    site: Smoothed,
    names: Sequence[str],
    strength: float,
    statistics: _Statistics,
) -> Tensor:
    """Smoothing factors of what a site makes, float64 [in], or [values] of an attention."""
    absmax = [statistics[name].absmax for name in names]
    weights = [linear_at(network, name).weight for name in names]
    if isinstance(site, ValueSite):
        width = linear_at(network, site.makers[0]).out_features
        absmax = [as_made(site, one, width).amax(dim=0) for one in absmax]
        weights = [as_made(site, weight, width).flatten(0, 1) for weight in weights]
    return smoothing_scale(torch.stack(absmax).amax(dim=0), weights, strength)


def _read_error(one: StaticError, site: _Site, made: Tensor | None, block: int | None) -> float:
    """Of one reader, or of all that are given one tensor, when what is made is divided."""
    if made is None:
        return one.of(None, block)
    assert not isinstance(site, str)
    return one.of(as_read(site, made, one.width), block)


def _chosen(options: Sequence[FittedInput], room: float) -> FittedInput:
    """The best that adds no product, or the cheapest rotation that is well worth its products."""
    free = min((o for o in options if not o.added), key=lambda o: o.error)
    worth = [o for o in options if 0 < o.added <= room and o.error <= WORTH * free.error]
    least = min((o.error for o in worth), default=0.0)
    good = [o for o in worth if o.error <= NEARLY * least]
    return min(good, key=lambda o: (o.added, o.error), default=free)


def _gain(options: Sequence[FittedInput]) -> float:
    """Error that the best rotation online takes, for each product that it adds."""
    free = min(o.error for o in options if not o.added)
    return max(((free - o.error) / o.added for o in options if o.added), default=0.0)
