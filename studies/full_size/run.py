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
from studies.scheme_bench.command import bench_schemes

KIND = "studies.full_size"
RECORD = "full-size.json"
SAMPLES = 32
RATE = 30.0  # rows of a chunk a second, as LeRobot records an SO-101


def run(family: str, schemes: list[str], rounds: int, threads: int, out: Path, said: Report) -> Any:
    """Do what is not done yet in `out`, and write the record.

    Raises:
        QuantVLAError: a step failed, in its own words.
    """
    known = importlib.import_module(f"studies.full_size.{family}")
    checkpoint, bundle, buffer = out / "checkpoint", out / "float", out / "buffer"
    if not checkpoint.exists():
        from studies.full_size.random_checkpoint import write_checkpoint

        said("writing a checkpoint of random weights")
        write_checkpoint(checkpoint, known.PUBLISHED)
    note = out / "import.json"
    if not bundle.exists():
        said("importing it")
        write_json(note, _import(checkpoint, known.ROBOT, bundle))
    if not buffer.exists():
        from studies.full_size.made_up_buffer import write_made_up_buffer

        write_made_up_buffer(buffer, load_manifest(bundle), SAMPLES)
    benched = bench_schemes(bundle, buffer, schemes, "gptq", rounds, threads, out / "bench")
    record = {**benched, "kind": KIND, "import": read_json(note)}
    write_json(out / RECORD, record)
    return record


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
