# SPDX-License-Identifier: Apache-2.0
"""From a float bundle and calibration samples to a quantized bundle with its gate record.

Only one network is held: the float one is run for all that is needed of it, then transformed and
quantized in place. Finished layers lie in a work directory beside the output, so a run that was
stopped goes on and ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from calib_tools.buffer.store import CalibrationBuffer
from calib_tools.quantize.memory_check import check_memory
from calib_tools.quantize.quantization_run import QuantizationReport, QuantizationRun, Samples
from calib_tools.quantize.recipe import Recipe, check_groups
from calib_tools.quantize.work_directory import Progress, WorkDirectory, Workplace
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.storage import (
    bundle_hash,
    load_bundle,
    load_manifest,
    prepare_output,
)
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Family, Network
from quantvla_ros.quantization.layerwise import load_on_tensors
from quantvla_ros.quantization.layouts import check_keep_float, select_layers
from quantvla_ros.quantization.modules import linear_at


def quantize_bundle(
    bundle_path: Path,
    data: Samples | CalibrationBuffer,
    recipe: Recipe,
    out: Path,
    force: bool,
    ray: str | None,
    progress: Progress,
) -> QuantizationReport:
    """Quantize a float bundle and write the result, judged, to `out`.

    Args:
        bundle_path: float bundle.
        data: samples to fit everything on, and others for the gate.
        recipe: how.
        out: directory of the new bundle.
        force: replace `out` when it exists.
        ray: cluster that a search is spread over; None for local processes.
        progress: called with a stage's or layer's name and the share done, 0..1.

    Raises:
        QuantVLAError: a recipe that cannot be had, too little memory, a bundle that is already
            quantized or damaged, too few or useless samples, or an output that exists. Nothing is
            left behind.
    """
    recipe = recipe.checked(ray)
    prepare_output(out, force)
    target = find_backend(recipe.target)
    if not target.runs_what_it_built:
        target.prepare(Options())  # the gate runs on it at the end
    check_memory(bundle_path, load_manifest(bundle_path), recipe)
    progress("load the float bundle", 0.0)
    bundle = load_bundle(bundle_path)
    if bundle.manifest.quantization is not None:
        raise BundleError(f"bundle {bundle_path} is already quantized; give the float bundle")
    network = load_on_tensors(bundle.manifest, bundle.tensors)
    bundle = dataclasses.replace(bundle, tensors={})
    names = _select(find_family(bundle.manifest.family), network, recipe)
    bits = target.activation_bits(list(recipe.precisions().values()))
    settings = {
        "bundle": bundle_hash(bundle_path),
        "buffer": data.sha256,
        "samples": [len(data.calibration), len(data.held_out)],
        "recipe": dataclasses.asdict(recipe),
        "activation_bits": bits,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    with _full_disk_is_told(out):
        work = WorkDirectory(out, settings)
        try:
            place = Workplace(work, ray, progress)
            run = QuantizationRun(bundle, network, names, data, recipe, bits, place)
            del network  # the run gives it up before the end
            report = run.finish(out, force)
        except (QuantVLAError, OSError, SafetensorError):
            work.discard()  # the same input would fail again
            raise
        except BaseException:
            work.close()
            raise
        work.discard()
    return report


@contextmanager
def _full_disk_is_told(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        if "No space left" not in str(error):
            raise
        raise QuantVLAError(
            f"the disk of {out} is full and nothing was kept; free some space and quantize again"
        ) from error


def _select(family: Family, network: Network, recipe: Recipe) -> list[str]:
    """Names of the layers to round; a pattern or a group that does not fit them is refused."""
    roles = family.roles(network)
    check_keep_float(roles, recipe.layout, recipe.keep_float)
    names = select_layers(roles, recipe.layout, recipe.keep_float)
    check_groups(recipe.precisions(), lambda name: linear_at(network, name).in_features, names)
    return names
