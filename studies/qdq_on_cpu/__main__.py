# SPDX-License-Identifier: Apache-2.0
"""Success of an engine's graphs in closed loop: as `quantvla evaluate`, and BUNDLE@qdq.

`BUNDLE@qdq` plays the graphs that an engine of the bundle is built of, Q/DQ and float16 included,
by onnxruntime. It runs in the environment that `.ci/make_tensorrt_check` makes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calib_tools.evaluate.cli import evaluate
from quantvla_ros.errors import QuantVLAError
from studies.study import study_command

if TYPE_CHECKING:
    from torch import nn

    from quantvla_ros.models.family import Family

KIND = "studies.qdq_on_cpu"
CHANGE = "qdq"
EXAMPLE = (
    "example: .venv-tensorrt/bin/python -m studies.qdq_on_cpu policies/panda INT8@qdq "
    "--episodes 200 --out out"
)


@dataclass(frozen=True)
class PlayedAsEngine:
    """The bundle as it is, on another backend; `identity` is the hash of its graphs' files."""

    identity: str
    label: str = CHANGE
    backend: str | None = "qdq_on_cpu"

    def apply(self, network: nn.Module, family: Family) -> None:
        """Nothing is changed."""


def read_change(wanted: str, bundle: Path, bundle_sha256: str) -> PlayedAsEngine:
    """Write the graphs of a bundle anew, before any worker needs them.

    Raises:
        QuantVLAError: another change was asked for, or onnxruntime is missing.
    """
    if wanted != CHANGE:
        raise QuantVLAError(f"Unknown way '@{wanted}' to run '{bundle}'; write @{CHANGE}.")
    try:
        import onnxruntime  # noqa: F401

        from quantvla_ros.backends.base import BuildOptions
        from quantvla_ros.bundle.storage import file_hash
        from studies.qdq_on_cpu.backend import BACKEND, GRAPHS
    except ImportError as error:
        raise QuantVLAError(
            f"onnxruntime is missing ({error}); run this in the environment that "
            "`.ci/make_tensorrt_check` makes, .venv-tensorrt."
        ) from error
    folder = BACKEND.build(bundle, BuildOptions())
    return PlayedAsEngine(" ".join(file_hash(folder / f"{name}.onnx") for name in GRAPHS))


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
