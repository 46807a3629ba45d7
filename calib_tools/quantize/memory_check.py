# SPDX-License-Identifier: Apache-2.0
"""Whether a quantization fits into memory, told before it begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tensors import tensor_header
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.memory import available_memory
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.layerwise import is_held_wide
from quantvla_ros.quantization.layouts import check_keep_float, select_layers
from quantvla_ros.quantization.modules import linear_at

LIBRARIES = 0.4e9  # Python, PyTorch and the samples' pictures
ACTIVATIONS = 64_000  # bytes for each column of the widest layer: a thousand tokens, a few copies
_MATRICES = 4 + 8 + 8  # bytes of a second moment, of itself in float64 and of its factor
_WEIGHTS = 4 * 6  # bytes of a weight while it is rounded: itself, its rest, codes, scales, errors
GB = 1e9


@dataclass(frozen=True)
class Need:
    """Bytes that a quantization takes at most, by what takes them.

    Attributes:
        network: the float network, mapped from its file or widened; and what transforms widen.
        rounding: of the widest layer.
        result: integers in place of the layers' weights, and the rest as a backend holds it.
    """

    network: float
    rounding: float
    result: float

    @property
    def most(self) -> float:
        """The larger of the two peaks: while the widest layer is rounded, and at the gate."""
        return LIBRARIES + max(self.network + self.rounding, self.result)


def memory_need(
    network: nn.Module, names: Sequence[str], stored: Mapping[str, Any], recipe: Recipe
) -> Need:
    """Estimate from shapes alone.

    Args:
        network: float, of shapes without weights.
        names: layers that become integer.
        stored: header of the bundle's tensors, see `tensor_header`.
        recipe: checked.
    """
    linears = [linear_at(network, name) for name in names]
    counts = sum(linear.weight.numel() for linear in linears)
    every = sum(math.prod(entry["shape"]) for entry in stored.values())
    file = sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in stored.values())
    wide = is_held_wide(network)
    held = 4.0 * every if wide else float(file)
    if recipe.transforms and not wide:
        held += 4.0 * counts  # what a transform changes has more digits
    squares = _MATRICES if recipe.rounding == "gptq" else 0
    widest = max((linear.in_features for linear in linears), default=0)
    rounding = max(
        (squares * n.in_features**2 + _WEIGHTS * n.weight.numel() for n in linears), default=0
    )
    bits = max(recipe.precisions())
    return Need(
        held,
        rounding + ACTIVATIONS * widest,
        4.0 * (every - counts) + counts * bits / 8 + ACTIVATIONS * widest,
    )


def check_memory(path: Path, manifest: BundleManifest, recipe: Recipe) -> None:
    """Refuse a quantization that would not fit; swap does not count, it would take days in it.

    Args:
        path: of the float bundle.
        manifest: of it.
        recipe: checked.

    Raises:
        QuantVLAError: says what is needed and free, and what takes less.
    """
    free = available_memory()
    if free is None:
        return
    network, stored = empty_network(manifest), tensor_header(path)
    roles = find_family(manifest.family).roles(network)
    check_keep_float(roles, recipe.layout, recipe.keep_float)
    names = select_layers(roles, recipe.layout, recipe.keep_float)

    def need_of(other: Recipe) -> Need:
        return memory_need(network, names, stored, other)

    need = need_of(recipe)
    if need.most <= free:
        return
    ways = {
        "--transform none": replace(recipe, transforms=()),
        "--rounding clip": replace(recipe, rounding="clip"),
        "--rounding clip --transform none": replace(recipe, rounding="clip", transforms=()),
    }
    fits = [way for way, other in ways.items() if need_of(other).most <= free]
    least = min(need_of(other).most for other in ways.values())
    way = (
        f"with {fits[0]} it fits"
        if fits
        else f"no scheme or rounding takes less than {least / GB:.1f} GB: quantize on a larger "
        "machine, the bundle runs here all the same"
    )
    raise QuantVLAError(
        f"quantizing '{path}' takes about {need.most / GB:.1f} GB of memory and {free / GB:.1f} GB "
        f"are free (the float network {need.network / GB:.1f}, rounding its widest layer "
        f"{need.rounding / GB:.1f}, at the gate {need.result / GB:.1f}); {way}, or end other "
        "programs"
    )
