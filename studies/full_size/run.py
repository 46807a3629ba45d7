# SPDX-License-Identifier: Apache-2.0
"""Make a random checkpoint of a published size, import it, and bench it quantized."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from calib_tools.common.output import read_json, write_json
from calib_tools.common.progress import Report
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.bundle.tensors import WEIGHTS
from quantvla_ros.errors import QuantVLAError
from studies.engine_build import build_static
from studies.full_size.observations import made_up_observations
from studies.full_size.random_checkpoint import Published, write_checkpoint
from studies.full_size.table import KIND, RECORD
from studies.scheme_bench.command import RANDOM_SAMPLES, bench_subject, random_subject

ENGINES = "full-size-engines.json"
RATE = 30.0  # rows of a chunk a second, as LeRobot records an SO-101


def run(family: str, schemes: list[str], rounds: int, threads: int, out: Path, said: Report) -> Any:
    """Do what is not done yet in `out`, and write the record.

    Raises:
        QuantVLAError: a step failed, in its own words.
    """
    bundle, note = imported(family, out, said)
    samples = made_up_observations(load_manifest(bundle), RANDOM_SAMPLES)
    subject = random_subject(bundle, samples)
    benched = bench_subject(lambda _: subject, schemes, "gptq", rounds, threads, out / "bench")
    record = {**benched, "kind": KIND, "import": note}
    write_json(out / RECORD, record)
    return record


def build(family: str, builder: str, out: Path, said: Report) -> Any:
    """Build the engines of the imported bundle without a GPU, and write the record of that.

    Raises:
        QuantVLAError: a step failed, in its own words.
    """
    bundle, _ = imported(family, out, said)
    made = build_static(bundle, out / "static", builder, "llm+dit_mlp", said)
    record = {"kind": KIND, "family": family, **made}
    write_json(out / ENGINES, record)
    return record


def imported(family: str, out: Path, said: Report) -> tuple[Path, dict[str, Any]]:
    """The float bundle in `out`, made if it is not there, and what importing it took."""
    known = importlib.import_module(f"studies.full_size.{family}")
    return imported_published(known.PUBLISHED, known.ROBOT, out, said)


def imported_published(
    published: Published, robot: str, out: Path, said: Report
) -> tuple[Path, dict[str, Any]]:
    """As `imported`, of any sizes."""
    checkpoint, bundle, note = out / "checkpoint", out / "float", out / "import.json"
    if not checkpoint.exists() and not bundle.exists():
        said("writing a checkpoint of random weights")
        write_checkpoint(checkpoint, published)
    if not bundle.exists():
        said("importing it")
        write_json(note, _import(checkpoint, robot, bundle))
    return bundle, read_json(note)


def _import(checkpoint: Path, robot: str, bundle: Path) -> dict[str, Any]:
    """What `quantvla import` took, in a process of its own."""
    command = [sys.executable, "-m", "calib_tools.cli", "import", str(checkpoint)]
    command += ["--robot", robot, "--rate", str(RATE), "--out", str(bundle), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        raise QuantVLAError(done.stderr.strip().splitlines()[-1])
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        "checkpoint_bytes": (checkpoint / "model.safetensors").stat().st_size,
        "bundle_bytes": (bundle / WEIGHTS).stat().st_size,
    }
