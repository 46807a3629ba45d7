# SPDX-License-Identifier: Apache-2.0
"""One block of each kind in its published width, quantized; and an estimate for all of them.

The network has two layers of each stack: the last one of the language model ends at its keys and
values, so one is whole. What was measured is CPU time, which a busy machine changes least. The
estimate multiplies it: by the weights of all blocks of a kind, and what runs the whole network by
its products.
"""

from __future__ import annotations

import importlib
import re
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from calib_tools.common.output import write_json
from calib_tools.common.progress import Report
from calib_tools.common.record_file import command_line
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.bundle.tensors import WEIGHTS
from quantvla_ros.memory import held_memory
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import linear_at
from studies.full_size.block_table import KIND, RECORD
from studies.full_size.observations import made_up_observations
from studies.full_size.run import imported_published
from studies.scheme_bench.command import peak_bytes
from studies.study import SCHEMA

HELD_OUT = 8
_ENTRY = re.compile(r"(.*?)\.\d+\.")

Event = tuple[str, float]
"""A text of the progress, and the CPU seconds of the process then."""


def measure_block(
    family: str, scheme: str, samples: int, threads: int, out: Path, said: Report
) -> Any:
    """Quantize a network of few blocks and write the record.

    Args:
        family: whose blocks.
        scheme: of quantize.
        samples: that calibrate; a quarter of them only decides what is kept.
        threads: CPU threads.
        out: directory.
        said: progress.

    Raises:
        QuantVLAError: a step failed, in its own words.
    """
    known = importlib.import_module(f"studies.full_size.{family}")
    bundle, _ = imported_published(known.PUBLISHED_BLOCK, known.ROBOT, out, said)
    said("quantizing it")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = pool.submit(_quantized, bundle, scheme, samples, threads, out / "integer").result()
    manifest = load_manifest(bundle)
    sizes = {size: getattr(known.SIZES, size) for size in ("layers", "vision_layers", "vocabulary")}
    whole = manifest.model_copy(update={"architecture": {**manifest.architecture, **sizes}})
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "command": command_line(),
        "family": family,
        "scheme": scheme,
        "samples": samples,
        "threads": threads,
        "architecture": manifest.architecture,
        "bundle_bytes": (bundle / WEIGHTS).stat().st_size,
        **{key: value for key, value in made.items() if key != "events"},
        "parts": parts_of(made["events"]),
        "weights": {"measured": _weights(manifest), "whole": _weights(whole)},
    }
    write_json(out / RECORD, record)
    return record


def _quantized(bundle: Path, scheme: str, samples: int, threads: int, out: Path) -> dict[str, Any]:
    """In a process of its own."""
    import torch

    from calib_tools.quantize.quantization_run import Samples
    from calib_tools.quantize.quantizing import quantize_bundle

    torch.set_num_threads(threads)
    seen = made_up_observations(load_manifest(bundle), samples + HELD_OUT)
    data = Samples(seen[:samples], seen[samples:], "random".ljust(64, "0"))
    events: list[Event] = []
    base, start = held_memory(), time.perf_counter()

    def progress(text: str, _: float) -> None:
        events.append((text, time.process_time()))

    quantize_bundle(bundle, data, Recipe(scheme=scheme), out, True, None, progress)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "peak_bytes": peak_bytes(),
        "base_bytes": base,
        "events": events,
    }


def parts_of(events: list[Event]) -> dict[str, float]:
    """CPU seconds by what they went into.

    Returns:
        "observe STACK" and "round STACK" for each list of blocks, of all its blocks together;
        "network" for what runs it whole.
    """
    found: dict[str, float] = {}
    for (text, start), (_, end) in pairwise(events):
        entry = _ENTRY.match(text.removeprefix("inputs of "))
        kind = "observe" if text.startswith("inputs of ") else "round"
        name = f"{kind} {entry[1]}" if entry else "network"
        found[name] = found.get(name, 0.0) + end - start
    return {name: round(seconds, 2) for name, seconds in found.items()}


def _weights(manifest: BundleManifest) -> dict[str, float]:
    """Weights that calibration reaches, by what uses them.

    Returns:
        By list of blocks, those that become integer; "network": all that an inference multiplies,
        those of each step of the flow counted anew.
    """
    network, family = empty_network(manifest), find_family(manifest.family)
    steps, roles = family.flow(manifest).steps, family.roles(network)
    chosen = set(select_layers(roles, Recipe().layout))
    found = {"network": 0.0}
    for name in roles.keys() - family.unused(network):
        count = linear_at(network, name).weight.numel()
        found["network"] += count * (steps if family.stage(name) == "step" else 1)
        if name in chosen and (entry := _ENTRY.match(name)):
            found[entry[1]] = found.get(entry[1], 0.0) + count
    return found
