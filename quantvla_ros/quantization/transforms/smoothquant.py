# SPDX-License-Identifier: Apache-2.0
"""SmoothQuant: move the outliers of a layer's input into its weight, one factor a channel.

``s_j = max|X_j|^a / max|W_j|^(1 - a)`` (Xiao et al. 2022). The input is divided by ``s`` where it
is made, in the norm in front or, through a gated MLP, in up's rows; the weight's columns are
multiplied by it. Nothing is left at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite
from quantvla_ros.quantization.transforms.scaling import (
    divide_norm,
    divide_rows,
    multiply_columns,
    plain_linears,
)

if TYPE_CHECKING:
    from quantvla_ros.quantization.observe import InputStatistics

FLOOR = 1e-3  # of the largest factor; a dead channel must not blow up its weight
WEIGHT_FLOOR = 1e-5  # of the largest weight

Smoothed = NormSite | GatedSite | ValueSite
"""Where a division of an input folds into what makes it."""


def smoothing_scale(absmax: Tensor, weights: Sequence[Tensor], strength: float) -> Tensor:
    """Factors of one input.

    A common factor changes nothing, so the largest is 1. Then no gain shrinks: a gain of the form
    ``1 + w`` near zero would lose its digits.

    Args:
        absmax: largest magnitude of each input channel [in].
        weights: weights [out, in] of the layers that read the input.
        strength: 0 leaves all to the activations, 1 moves all into the weights.

    Returns:
        float64 [in] in 1e-3..1.
    """
    widest = torch.stack([w.detach().double().abs().amax(dim=0) for w in weights]).amax(dim=0)
    widest = widest.clamp(min=max(float(widest.max()) * WEIGHT_FLOOR, 1e-30))
    scale = absmax.double().pow(strength) / widest.pow(1.0 - strength)
    largest = float(scale.max())
    return (scale / largest).clamp(min=FLOOR) if largest > 0 else torch.ones_like(scale)


class SmoothQuant:
    """Smoothing of every layer that it folds for.

    Attributes:
        skipped: reason by layer, for those of the observed layers that it left alone.
    """

    def __init__(
        self, sites: Sites, strength: float = 0.5, layers: Sequence[str] | None = None
    ) -> None:
        """Take the network's sites, the strength, and the layers to smooth.

        None takes all observed layers that fold.

        Layers that are named and do not fold are an error; otherwise they are `skipped`.
        """
        if not 0.0 <= strength <= 1.0:
            raise QuantVLAError(f"a smoothing strength of {strength} is not between 0 and 1")
        self.sites, self.strength, self.layers = sites, strength, layers
        self.skipped: dict[str, str] = {}
        self._scales: dict[Smoothed, Tensor] = {}

    def fit(self, network: nn.Module, statistics: Mapping[str, InputStatistics]) -> None:
        """Choose the factors; see `Transform`.

        Raises:
            QuantVLAError: a layer was named that was not observed, or whose input does not fold.
        """
        self.skipped, self._scales = {}, {}
        source: dict[str, NormSite | GatedSite] = {s.down: s for s in self.sites.gated}
        source.update({name: s for s in self.sites.norms for name in s.readers})
        members: dict[NormSite | GatedSite, list[str]] = {}
        for name in statistics if self.layers is None else self.layers:
            if name in source:
                members.setdefault(source[name], []).append(name)
            elif self.layers is None:
                self.skipped[name] = _reason(name, self.sites)
            else:
                raise QuantVLAError(f"{name} cannot be smoothed: {_reason(name, self.sites)}")
        for site, names in members.items():
            missing = [name for name in names if name not in statistics]
            if missing:
                raise QuantVLAError(f"{missing[0]} cannot be smoothed: its input was not observed")
            # All of them read the same tensor, but one may run more often than another.
            absmax = torch.stack([statistics[name].absmax for name in names]).amax(dim=0)
            weights = [layer.weight for layer in plain_linears(network, names, _source_name(site))]
            self._scales[site] = smoothing_scale(absmax, weights, self.strength)

    def fold(self, network: nn.Module) -> None:
        """Change the network in place; see `Transform`."""
        fold_scales(network, self._scales)


def fold_scales(network: nn.Module, scales: Mapping[Smoothed, Tensor]) -> None:
    """Divide what each site makes by factors, and make all its readers undo it.

    Args:
        network: changed in place.
        scales: float64, a factor for each column of what a norm or a gated MLP gives, or of one
            attention's values. Queries that share a head of values share its factors.
    """
    for site, scale in scales.items():
        if isinstance(site, NormSite):
            readers = plain_linears(network, site.readers, site.norm)
            divide_norm(network.get_submodule(site.norm), scale)
        elif isinstance(site, GatedSite):
            up, *readers = plain_linears(network, (site.up, site.down), "a gated MLP")
            divide_rows(up, scale)
        else:
            readers = plain_linears(network, site.readers, "an attention")
            for maker in plain_linears(network, site.makers, "an attention's values"):
                divide_rows(maker, scale)
        for reader in readers:
            multiply_columns(reader, as_read(site, scale, reader.in_features))


def as_read(site: Smoothed, scale: Tensor, width: int) -> Tensor:
    """The factors of a site as its reader of `width` inputs sees them, [width]."""
    if not isinstance(site, ValueSite):
        return scale
    heads = scale.unflatten(0, (-1, site.head_width))
    out: Tensor = heads.repeat_interleave(width // len(scale), dim=0).flatten()
    return out


def as_made(site: ValueSite, values: Tensor, width: int) -> Tensor:
    """What a reader has for each input [..., in], for each of the `width` values, [..., n, width].

    The n queries that share a head of values are told apart by the axis before the last.
    """
    groups = values.shape[-1] // width
    heads = values.unflatten(-1, (-1, groups, site.head_width))
    out: Tensor = heads.transpose(-3, -2).flatten(-2)
    return out


def _source_name(site: NormSite | GatedSite) -> str:
    return site.norm if isinstance(site, NormSite) else site.up


def _reason(name: str, sites: Sites) -> str:
    if name in sites.plain:
        return "its input comes through a plain GELU, which a scale does not pass"
    if any(name in site.readers for site in sites.values):
        return "its input is an attention's output, with no norm in front; rotate it instead"
    return "no norm and no gated MLP stands in front of it"
