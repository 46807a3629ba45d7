# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import BundleDir, Force, Json, Residency, print_json
from quantvla_ros.backends.registry import DEFAULT


def bench(
    quantized: BundleDir,
    against: Annotated[Path, typer.Option("--against", help="Its float bundle.")],
    buffer: Annotated[Path, typer.Option("--buffer", help="Calibration buffer with real inputs.")],
    out: Annotated[Path | None, typer.Option("--out", help="File for the JSON record.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=10, help="Timed inferences each.")] = 200,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    backend: Annotated[str, typer.Option(help="What computes INT8.")] = DEFAULT,
    resident: Residency = "all",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure latency and memory of INT8 beside the fastest float, in turn, in one run."""
    from calib_tools.bench.command import bench as run
    from calib_tools.bench.table import show_bench

    measured = run(quantized, against, buffer, rounds, threads, backend, out, force, resident)
    print_json(measured) if as_json else show_bench(measured)
