# SPDX-License-Identifier: Apache-2.0
"""Transform the float network and round its layers block by block; can be resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calib_tools.quantize.heap import trim_heap
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.sample_runner import SampleRunner
from calib_tools.quantize.work_directory import StoredLayer, WorkDirectory, Workplace, read_layer
from quantvla_ros.memory import held_memory
from quantvla_ros.models.family import Family, Network
from quantvla_ros.models.sites import Sites
from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.blockwise import Blockwise, Part, Run
from quantvla_ros.quantization.layerwise import (
    quantized,
    round_layer,
    rounding_error,
    rounding_used,
)
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.observe import InputStatistics, observe_inputs
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
        seen = runner.observe(names, hessian=False)
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
    fit.fit(network, runner.observe(names, hessian=False, sample=True))
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
    rounding = _Rounding(family, network, names, recipe, activation_bits, place)
    runner = SampleRunner(family, network, teacher)
    encode, step = ([n for n in names if family.stage(n) == s] for s in ("encode", "step"))
    if not teacher.fit:
        runner.check_reached(names, ())
    elif not rounding.finished(names):
        half = rounding.round("encode", encode, runner.encodings(), runner)
        if step:
            rounding.round("step", step, runner.steps(half.results()), runner)
    rounding.end()
    place.progress("layers rounded", 1.0)


class _Rounding:
    """Rounds the layers of both halves, block by block."""

    def __init__(
        self,
        family: Family,
        network: Network,
        names: Sequence[str],
        recipe: Recipe,
        activation_bits: int,
        place: Workplace,
    ) -> None:
        self._network, self._names, self._recipe = network, names, recipe
        self._bits, self._place, self._work = activation_bits, place, place.directory
        self._siblings = family.siblings(network)
        self._readers = _readers(family, network, names)
        self._made = RoundedLayers(self._work.path, recipe.precisions(), activation_bits)
        self._done, self._block = 0, ""

    def finished(self, names: Sequence[str]) -> bool:
        """Whether these layers are rounded."""
        bits = self._recipe.precisions()
        return all(self._work.has_layer(name, width) for name in names for width in bits)

    def round(
        self, stage: str, names: Sequence[str], runs: Sequence[Run], runner: SampleRunner
    ) -> Blockwise:
        """Round the layers of one half; what is returned goes on from there."""
        self._say(f"inputs of {names[0]}" if names else "contexts")
        folder = self._work.path / stage
        blockwise = Blockwise(self._network, names, self._siblings, runs, folder)
        runner.check_reached(names, blockwise.reached)
        parts, start = blockwise.parts(), time.monotonic()
        for number, part in enumerate(parts):
            took = (time.monotonic() - start) / max(number, 1)
            self._block = f" (block {number + 1} of {len(parts)} of this half, {took:.0f} s each)"
            if not self.finished(part.layers):
                self._round(part.layers, self._observed(part, blockwise))
            self._done += len(part.layers)
            if self._recipe.sequential:
                self._put_in_place(part.layers)
                if not blockwise.kept(part):
                    blockwise.run(part)
        return blockwise

    def end(self) -> None:
        """Round the layers that no action depends on, and give up what was kept of blocks."""
        self._round([n for n in self._names if not self.finished([n])], {})
        if self._recipe.sequential:
            self._put_in_place(self._names)
        for stage in ("encode", "step"):
            shutil.rmtree(self._work.path / stage, ignore_errors=True)

    def _round(self, names: Sequence[str], seen: Mapping[str, InputStatistics]) -> None:
        for name in names:
            self._say(name)
            weights = [linear_at(self._network, n).weight for n in self._readers[name]]
            _round_one(
                self._network, name, seen.get(name), weights, self._recipe, self._bits, self._work
            )
        trim_heap()

    def _put_in_place(self, names: Sequence[str]) -> None:
        (bits,) = self._recipe.precisions()
        for name in names:
            if isinstance(self._network.get_submodule(name), nn.Linear):
                module = self._made.module(self._network, name, bits)
                replace_module(self._network, name, module)

    def _observed(self, part: Part, blockwise: Blockwise) -> dict[str, InputStatistics]:
        recipe = self._recipe
        self._say(f"inputs of {part.layers[0]}")
        sample = recipe.range == "output" and recipe.activations == "static"
        run = partial(blockwise.run, part, keep=not recipe.sequential)
        return observe_inputs(self._network, part.layers, run, recipe.rounding == "gptq", sample)

    def _say(self, what: str) -> None:
        text = f"{what}{self._block}, {held_memory() / 1e9:.1f} GB held"
        self._place.progress(text, self._done / max(len(self._names), 1))


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
            "rounding": rounding_used(seen, recipe.rounding),
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
