# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.scheme_bench``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from studies.scheme_bench.table import KIND
from studies.study import bare_parser, show_record, study_command

_TEXT = """\
Measure every scheme beside compiled float in one run, and how each is made: of a float bundle and
its calibration buffer, or of a random network of SmolVLA's size. The same command goes on after a
stop. Writes bench-schemes.json and its tables.
"""
_EXAMPLE = """\
examples: python -m studies.scheme_bench policies/panda buffer --threads 2 --out schemes
          python -m studies.scheme_bench --out schemes
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; the exit status is 0 when it could be done, whatever it found."""
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    add = parser.add_argument
    add("bundle", type=Path, nargs="?", help="directory of a float bundle")
    add("buffer", type=Path, nargs="?", help="directory of its calibration buffer")
    add("--out", type=Path, required=True, help="directory; a bench there goes on")
    add("--scheme", action="append", default=[], help="of quantize; all if none")
    add("--rounding", default="gptq", help="rounding: rtn, clip or gptq (gptq)")
    add("--rounds", type=int, default=50, help="timed inferences of each (50)")
    add("--threads", type=int, default=1, help="CPU threads (1)")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.rounds < 3 or options.threads < 1:
        parser.error("--rounds must be 3 or more and --threads 1 or more")
    with study_command(KIND):
        from studies.scheme_bench.command import bench_schemes
        from studies.scheme_bench.table import RECORD, grids, summary_line

        record = bench_schemes(
            options.bundle, options.buffer, options.scheme, options.rounding, options.rounds,
            options.threads, options.out,
        )  # fmt: skip
        lines, path = [summary_line(record)], options.out / RECORD
        show_record(record, options.json, lines, grids(record), path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
