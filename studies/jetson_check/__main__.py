# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.jetson_check``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from calib_tools.common.circumstances import versions
from calib_tools.common.output import write_json
from quantvla_ros.processor import cpu_model
from studies.jetson_check.running import copy_parts, run_steps, without_names
from studies.jetson_check.steps import copied, steps
from studies.jetson_check.table import KIND, SCHEMA, markdown
from studies.study import bare_parser, study_command

ROOT = Path(__file__).resolve().parents[2]
_TEXT = """\
Run the whole chain on this computer, made for a Jetson: the bundled policy and a small buffer,
quantize, build engines, gate, bench, and the node for a minute. A step that fails is written down
and the others go on; the same command again does what is not done yet. Writes one record."""
_EXAMPLE = "example: python -m studies.jetson_check --out jetson-check.json"
_BUILDERS = ("onnx", "torch_tensorrt")  # the last that succeeds is used


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet; the exit status is 0 when every step was done."""
    options = _parser().parse_args(arguments)
    folder: Path = options.work
    builders = _BUILDERS if options.builders is None else tuple(options.builders)
    with study_command(KIND):
        copy_parts(copied(ROOT), folder)
        chain = steps(options.backend, builders, options.control, options.seconds, options.rounds)
        found = run_steps(chain, folder, lambda text: print(text, file=sys.stderr, flush=True))
        machine = {"cpu": cpu_model(), "versions": versions()}
        about = {"kind": KIND, "schema": SCHEMA, "backend": options.backend}
        record = without_names({**about, "machine": machine, "steps": found}, folder)
        write_json(options.out, record)
    print(markdown(record))
    print(f"\nThe record is {options.out}; docs/how-to/send-a-jetson-record.md says where to.")
    return int(any(step["status"] != "done" for step in found.values()))


def _parser() -> argparse.ArgumentParser:
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--out", type=Path, default=Path("jetson-check.json"), help="the record")
    parser.add_argument("--work", type=Path, default=Path("jetson_check_work"), help="its folder")
    engines = "tensorrt"  # a backend's name: the check is about it
    parser.add_argument("--backend", default=engines, help=f"what runs the policy ({engines})")
    parser.add_argument("--control", default="cpu", help="stands for plain PyTorch (cpu)")
    parser.add_argument("--builders", nargs="*", help=f"ways to build ({' '.join(_BUILDERS)})")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the node (60)")
    parser.add_argument("--rounds", type=int, default=200, help="of each bench (200)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
