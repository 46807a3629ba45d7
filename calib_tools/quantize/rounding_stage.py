# SPDX-License-Identifier: Apache-2.0
"""Transform the float network and round its layers, a few Hessians at a time; can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calib_tools.quantize.heap import trim_heap
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.sample_runner import SampleRunner
from calib_tools.quantize.work_directory import StoredLayer, WorkDirectory, Workplace, read_layer
from quantvla_ros.models.family import Family, Network
from quantvla_ros.models.sites import Sites
from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.layerwise import (
    HESSIAN_SHARE,
    batches,
    blocks,
    quantized,
    round_layer,
    rounding_error,
    rounding_used,
    weight_count,
)
from quantvla_ros.quantization.layouts import ALL
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.observe import InputStatistics
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.ranges import static_range
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.teacher import TeacherRecord
from quantvla_ros.quantization.transforms.base import Transform
from quantvla_ros.quantization.transforms.rotation import HadamardRotation
from quantvla_ros.quantization.transforms.smoothquant import SmoothQuant
from quantvla_ros.quantization.transforms.static_fit import StaticFit

PERCENTILES = (0.5, 0.99, 0.999, 0.9999)  # of an input's magnitudes, for the report

_TRANSFORMS: dict[str, Callable[[Sites], Transform]] = {
    "smoothquant": SmoothQuant,
    "hadamard": HadamardRotation,
}


def transform_network(
    family: Family,
    network: Network,
    names: Sequence[str],
    kinds: Sequence[str],
    teacher: TeacherRecord,
) -> dict[str, dict[str, str]]:
    """Transform the network in place, by one kind after the other.

    Returns:
        By transform, the layers that it left alone and why.
    """
    skipped = {}
    for kind in kinds:
        runner = SampleRunner(family, network, teacher)
        seen = runner.observe(names, hessian=False, full_rank=False)
        transform = _TRANSFORMS[kind](family.sites(network))
        transform.fit(network, seen)
        transform.fold(network)
        skipped[kind] = dict(getattr(transform, "skipped", {}))
    return skipped


def fit_to_static_ranges(
    family: Family,
    network: Network,
    names: Sequence[str],
    recipe: Recipe,
    activation_bits: int,
    teacher: TeacherRecord,
) -> StaticFit:
    """Transform the network in place, each input as its static range asks for."""
    limit, bits = activation_limit(activation_bits), min(recipe.precisions())
    sites, budget = family.sites(network), recipe.added_products
    fit = StaticFit(sites, recipe.transforms or (), budget, bits, limit)
    runner = SampleRunner(family, network, teacher)
    fit.fit(network, runner.observe(names, hessian=False, full_rank=False, sample=True))
    fit.fold(network)
    return fit


def round_all(
    family: Family,
    network: Network,
    names: Sequence[str],
    recipe: Recipe,
    teacher: TeacherRecord,
    activation_bits: int,
    place: Workplace,
) -> None:
    """Round every named layer in every precision of the recipe, into the place's directory.

    Args:
        family: of the network.
        network: transformed, float; stays so unless the recipe is sequential.
        names: layers.
        recipe: how.
        teacher: samples and flow that the inputs are observed on.
        activation_bits: grid of integer activations.
        place: layers found there are not done again.
    """
    work, progress = place.directory, place.progress
    held = recipe.precisions()
    limit = HESSIAN_SHARE * 4 * weight_count(network)
    parts = blocks(names) if recipe.sequential else batches(network, names, limit, family.stage)
    runner, done = SampleRunner(family, network, teacher), 0
    readers = _readers(family, network, names)
    for part in parts:
        if not all(work.has_layer(name, bits) for name in part for bits in held):
            progress(f"inputs of {part[0]}", done / len(names))
            # Some linears outside the named layouts see one token a sample, fewer than inputs.
            full_rank = recipe.layout != ALL
            sample = recipe.range == "output" and recipe.activations == "static"
            seen = runner.observe_stage(part, recipe.rounding == "gptq", full_rank, sample)
            for name in part:
                progress(name, done / len(names))
                weights = [linear_at(network, reader).weight for reader in readers[name]]
                _round_one(network, name, seen.get(name), weights, recipe, activation_bits, work)
                done += 1
            del seen  # before the next ones are made
            trim_heap()
        else:
            done += len(part)
        if recipe.sequential:
            (bits,) = held
            made = RoundedLayers(work.path, held, activation_bits)
            for name in part:
                replace_module(network, name, made.module(network, name, bits))
    progress("layers rounded", 1.0)


def _readers(family: Family, network: Network, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By layer, those that are given the same tensor: they share one range, one quantizer."""
    used = set(names) - set(family.unused(network))
    out: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    for group in family.siblings(network):
        together = tuple(name for name in group if name in used)
        out.update(dict.fromkeys(together, together))
    return out


def _round_one(
    network: nn.Module,
    name: str,
    seen: InputStatistics | None,
    readers: Sequence[Tensor],
    recipe: Recipe,
    activation_bits: int,
    work: WorkDirectory,
) -> None:
    linear = linear_at(network, name)
    for bits, precision in recipe.precisions().items():
        if work.has_layer(name, bits):
            continue
        codes = round_layer(name, linear, precision, seen, recipe.rounding)
        error = rounding_error(linear, codes, seen)
        record: dict[str, Any] = {
            "name": name,
            "bits": bits,
            "rounding": rounding_used(linear, seen, recipe.rounding),
            "weight_error": error.weight,
            "output_error": error.output,
        }
        clip = None
        if seen is not None:
            record |= {
                "input_absmax": float(seen.absmax.max()),
                "input_rms": float(seen.mean_square.mean().sqrt()),
                "input_percentiles": {str(share): seen.percentile(share) for share in PERCENTILES},
                "tail_ratio": seen.tail_ratio,
                "tokens": seen.count,
            }
        if precision.activation == "static":
            chosen = (
                None
                if seen is None
                else static_range(seen, recipe.range, activation_limit(activation_bits), readers)
            )
            # No action depends on a layer that was never reached: any range will do.
            clip = 1.0 if chosen is None else chosen.clip
            if chosen is not None:
                record |= {"range": chosen.method, "clip": clip, "range_error": chosen.error}
        work.keep_layer(name, bits, StoredLayer(codes, clip, record))


@dataclass(frozen=True)
class RoundedLayers:
    """Finished layers in a work directory, for this process and for workers."""

    folder: Path
    precisions: dict[int, Precision]
    activation_bits: int

    def module(self, network: nn.Module, name: str, bits: int) -> QuantizedLinear:
        """What takes the place of the float layer `name` of the transformed `network`."""
        linear, stored = linear_at(network, name), read_layer(self.folder, name, bits)
        scale = None
        if stored.clip is not None:
            scale = torch.tensor(stored.clip / activation_limit(self.activation_bits))
        return quantized(linear, stored.codes, self.precisions[bits], self.activation_bits, scale)
