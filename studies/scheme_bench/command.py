# SPDX-License-Identifier: Apache-2.0
"""Every scheme beside compiled float, of a policy or of a large network.

The bundles are made first, each in a process of its own whose time and peak memory are written
down; a bundle that is there already is not made again. Then all are timed in turn in one run.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from calib_tools.common.failures import sentence
from calib_tools.common.output import claim_directory, read_json, write_json
from calib_tools.common.progress import Bar
from calib_tools.common.record_file import command_line
from calib_tools.common.stopping import goes_on
from calib_tools.quantize.command import TimeLeft, fitting_buffer
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.bundle.tensors import WEIGHTS, tensor_header
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.memory import held_memory
from quantvla_ros.parent_process import tie_to_parent
from quantvla_ros.quantization.schemes import SCHEMES, check_scheme
from quantvla_ros.robot.observation import Observation
from studies.random_policy import random_observations, save_random_bundle
from studies.scheme_bench.table import KIND, RECORD
from studies.study import SCHEMA

_BUNDLES, _MADE = "bundles", "made"
RANDOM_SAMPLES, _RANDOM_HELD_OUT = 23, 8  # 11 to fit on: 2651 tokens for 2560 inputs


@dataclass(frozen=True)
class Subject:
    """What is quantized and timed.

    Attributes:
        bundle: float.
        calibration: observations to fit on.
        held_out: others, for the gate and for timing.
        sha256: of what the observations are.
        random: whether the weights are.
    """

    bundle: Path
    calibration: Sequence[Observation]
    held_out: Sequence[Observation]
    sha256: str
    random: bool = False


@goes_on()
def bench_schemes(
    bundle: Path | None,
    buffer: Path | None,
    schemes: Sequence[str],
    rounding: str,
    rounds: int,
    threads: int,
    out: Path,
) -> dict[str, Any]:
    """Make the bundles that are missing, time them, and write the record into `out`.

    Raises:
        QuantVLAError: what the user can mend.
    """
    if (bundle is None) != (buffer is None):
        raise QuantVLAError(
            "Give a float bundle and its calibration buffer, or neither for a random network of "
            "SmolVLA's size."
        )
    return bench_subject(
        lambda bar: _random_subject(out, bar) if bundle is None else _given(out, bundle, buffer),
        schemes,
        rounding,
        rounds,
        threads,
        out,
    )


def bench_subject(
    find: Callable[[Bar], Subject],
    schemes: Sequence[str],
    rounding: str,
    rounds: int,
    threads: int,
    out: Path,
) -> dict[str, Any]:
    """As `bench_schemes`, of any subject.

    Args:
        find: finds or makes it, once the options are known to be good.
        schemes: of quantize; all if none.
        rounding: of quantize.
        rounds: timed inferences of each.
        threads: CPU threads.
        out: directory of bundles and record.
    """
    chosen = list(dict.fromkeys(schemes)) or list(SCHEMES)
    for scheme in chosen:
        check_scheme(scheme)
        Recipe(scheme=scheme, rounding=rounding).checked()
    check_writable(out / RECORD)
    find_backend(DEFAULT).check(Options())
    with Bar("benching", 1.0) as bar:
        subject = find(bar)
        made = {
            s: _quantized(subject, Recipe(scheme=s, rounding=rounding), out, bar) for s in chosen
        }
        timed = _timed(subject, chosen, rounds, threads, out, rounding, bar)
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "command": command_line(),
        "network": _network(subject),
        "quantization": made,
        **timed,
    }
    write_json(out / RECORD, record)
    return record


def _random_subject(out: Path, bar: Bar) -> Subject:
    claim_directory(out, {"kind": KIND, "bundle": "random, SmolVLA's size"})
    path = out / "float"
    if not path.exists():
        bar.note("Making a random network of SmolVLA's size.")
        save_random_bundle(path)
    samples = random_observations(RANDOM_SAMPLES)
    return random_subject(path, samples)


def random_subject(bundle: Path, samples: Sequence[Observation]) -> Subject:
    """A bundle with random weights and observations that nobody made; the last third is held out.

    Args:
        bundle: float.
        samples: observations, `RANDOM_SAMPLES` suffice.
    """
    count = len(samples) - _RANDOM_HELD_OUT
    return Subject(bundle, samples[:count], samples[count:], "random".ljust(64, "0"), random=True)


def _given(out: Path, bundle: Path, buffer: Path | None) -> Subject:
    assert buffer is not None
    manifest = load_manifest(bundle)
    samples = fitting_buffer(bundle, manifest, buffer)
    plan = {"kind": KIND, "bundle": bundle_hash(bundle), "buffer": samples.sha256}
    claim_directory(out, plan)
    return Subject(bundle, samples.calibration, samples.held_out, samples.sha256)


def _quantized(subject: Subject, recipe: Recipe, out: Path, bar: Bar) -> dict[str, Any]:
    """Make one bundle in a process of its own, unless it is there; what that took."""
    name = f"{recipe.scheme}-{recipe.rounding}"
    path, note = out / _BUNDLES / name, out / _MADE / f"{name}.json"
    if path.exists() and note.is_file():
        return read_json(note)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_make, args=(theirs, subject, recipe, path, os.getpid()), daemon=True
    )
    left = TimeLeft()
    try:
        process.start()
        theirs.close()
        while True:
            kind, content = ours.recv()
            if kind == "done":
                break
            if kind == "refused":
                raise QuantVLAError(content)
            text, share = content
            bar.show(0.9 * share, f"{name}: {text}{left.after(share, time.monotonic())}")
    except EOFError as error:
        raise QuantVLAError(
            f"the process that quantized to {name} ended before its time; is there enough memory?"
        ) from error
    finally:
        if process.pid is not None:
            process.kill()
            process.join()
    write_json(note, content)
    return dict(content)


def _make(pipe: Connection, subject: Subject, recipe: Recipe, path: Path, parent: int) -> None:
    """In a process of its own."""
    tie_to_parent(parent)
    from calib_tools.quantize.quantizing import quantize_bundle

    start, base = time.perf_counter(), held_memory()
    try:
        quantize_bundle(
            subject.bundle,
            Samples(subject.calibration, subject.held_out, subject.sha256),
            recipe,
            path,
            True,
            None,
            lambda text, share: pipe.send(("progress", (text, share))),
        )
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        pipe.send(("refused", said))
        return
    import torch

    took = {
        "rounding": recipe.rounding,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time(), 1),  # a busy machine changes it least
        "threads": torch.get_num_threads(),
        "peak_bytes": peak_bytes(),
        "bundle_bytes": (path / WEIGHTS).stat().st_size,
        "base_bytes": base,  # Python and its libraries, before anything is loaded
    }
    pipe.send(("done", took))


def peak_bytes() -> int:
    """Most memory that this process has held at one time, Python and its libraries included."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("the kernel does not tell a process's peak of memory")


def _timed(
    subject: Subject,
    schemes: Sequence[str],
    rounds: int,
    threads: int,
    out: Path,
    rounding: str,
    bar: Bar,
) -> dict[str, Any]:
    from studies.scheme_bench.bench import bench_schemes as measure

    bar.note(f"Compiling {len(schemes) + 1} policies.")
    paths = {scheme: out / _BUNDLES / f"{scheme}-{rounding}" for scheme in schemes}
    return measure(
        paths,
        subject.bundle,
        subject.held_out,
        rounds,
        threads,
        lambda done: bar.show(0.9 + 0.1 * done, f"{rounds} inferences of each policy"),
    )


def _network(subject: Subject) -> dict[str, Any]:
    manifest = load_manifest(subject.bundle)
    header = tensor_header(subject.bundle)
    count = sum(math.prod(entry["shape"]) for entry in header.values())
    return {
        "random": subject.random,
        "family": manifest.family,
        "architecture": manifest.architecture,
        "parameters": count,
        "float_bytes": 4 * count,
    }
