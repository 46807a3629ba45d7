# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.jetson_check``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.circumstances import versions
from calib_tools.common.cores import usable_cores
from calib_tools.common.output import write_json
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import cpu_model
from studies.jetson_check.running import FAILED, copy_parts, run_steps
from studies.jetson_check.steps import BUILDERS, Lengths, copied, steps
from studies.jetson_check.table import KIND, SCHEMA, markdown
from studies.study import bare_parser, study_command

ROOT = Path(__file__).resolve().parents[2]
_TEXT = """\
Run the whole chain on this computer, made for a Jetson: the bundled policy and a small buffer,
quantize, build engines, gate, bench, and the node for a minute, by engines and on the processor.
What cannot run here, as engines without a GPU, is left out and says why; a step that fails is
written down and the others go on. Stop it when you like: the record says so far, and the same
command does what is not done yet."""
_EXAMPLE = "example: python -m studies.jetson_check --out jetson-check.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet; the exit status is 0 when no step failed."""
    options = _parser().parse_args(arguments)
    folder, record = options.work, {}
    builders = BUILDERS if options.builders is None else tuple(options.builders)
    lengths = Lengths(options.seconds, options.rounds)
    machine = {
        "architecture": platform.machine(), "cpu": cpu_model(), "cores": usable_cores(),
        "load": round(os.getloadavg()[0], 1), "versions": versions(),
    }  # fmt: skip

    def keep(outcomes: dict[str, Any]) -> None:
        about = {"kind": KIND, "schema": SCHEMA, "backend": options.backend}
        record.update({**about, "plain": options.plain, "machine": machine, "steps": outcomes})
        write_json(options.out, record)

    with study_command(KIND):
        check_writable(options.out)
        copy_parts(copied(ROOT), folder)
        chain = steps(options.backend, _missing(options.backend), builders, options.plain, lengths)
        run_steps(chain, folder, lambda text: print(text, file=sys.stderr, flush=True), keep)
    print(markdown(record))
    print(f"\nThe record is {options.out}; docs/how-to/send-a-jetson-record.md says where to.")
    return int(any(step["status"] == FAILED for step in record["steps"].values()))


def _missing(backend: str) -> str:
    """Why a backend runs nothing here; empty if it does."""
    try:
        find_backend(backend).check(Options())
    except BackendError as error:
        return str(error)
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--out", type=Path, default=Path("jetson-check.json"), help="the record")
    parser.add_argument("--work", type=Path, default=Path("jetson_check_work"), help="its folder")
    engines = "tensorrt"  # a backend's name: the check is about it
    parser.add_argument("--backend", default=engines, help=f"that builds engines ({engines})")
    parser.add_argument("--plain", default=DEFAULT, help=f"that needs none ({DEFAULT})")
    parser.add_argument("--builders", nargs="*", help=f"ways to build ({' '.join(BUILDERS)})")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each node (60)")
    parser.add_argument("--rounds", type=int, default=200, help="of each bench (200)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
