# SPDX-License-Identifier: Apache-2.0
"""Success of an engine's graphs in closed loop: as `quantvla evaluate`, and BUNDLE@qdq.

`BUNDLE@qdq` plays the graphs that an engine of the bundle is built of, Q/DQ and float16 included,
by onnxruntime. It runs in the environment that `.ci/make_tensorrt_check` makes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from calib_tools.evaluate.cli import evaluate
from studies.qdq_on_cpu.change import read_change
from studies.study import study_command

KIND = "studies.qdq_on_cpu"
EXAMPLE = (
    "example: .venv-tensorrt/bin/python -m studies.qdq_on_cpu policies/panda INT8@qdq "
    "--episodes 200 --out out"
)


def main() -> None:
    """Evaluate with the graphs of engines allowed."""
    root = Path(__file__).parents[2]
    entries = str(root / "studies" / "entry_points")
    sys.path.append(entries)  # of this process and of those that it spawns
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(root), entries, os.environ.get("PYTHONPATH", "")))
    )
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=__doc__, epilog=EXAMPLE)(evaluate)
    with study_command(KIND):
        app(obj=read_change)


if __name__ == "__main__":
    main()
