# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla build`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import BundleDir, Json, print_json
from quantvla_ros.backends.base import BuildOptions


def build(
    bundle: BundleDir,
    backend: Annotated[str, typer.Option(help="What the engines are for.")] = "tensorrt",
    builder: Annotated[
        str, typer.Option(help="What makes them: auto, torch_tensorrt or onnx.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="What is not integer: auto, fp16, bf16 or fp32.")
    ] = "auto",
    buffer: Annotated[
        Path | None,
        typer.Option(
            "--buffer", help="Calibration buffer that says where FP16 fits a float bundle."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build again what is there.")] = False,
    without_gpu: Annotated[
        bool,
        typer.Option(
            "--without-gpu",
            help="Build for SM 8.6 by TensorRT-RTX, to see on any machine that all compiles to "
            "integers; nothing runs such engines.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Build a bundle's engines for this very machine; they lie beside its weights.

    A float bundle is built in the same way; without --buffer all of it is BF16. Nothing builds or
    rebuilds engines but this command.
    """
    from calib_tools.build.command import build as run

    options = BuildOptions(builder, precision, force, without_gpu)
    made = run(bundle, backend, options, buffer)
    if as_json:
        print_json({"engines": None if made is None else str(made)})
    elif made is None:
        print(f"Backend '{backend}' builds nothing: it runs the bundle as it is.")
    else:
        print(f"Built {made}.")
