# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.ablation``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from studies.ablation.table import KIND
from studies.study import bare_parser, show_record, study_command

_TEXT = """\
Compare the method's parts: make all variants of a policy, judge them in open and in closed loop.
The same command goes on after a stop. Writes ablation.json and its tables.
"""
_EXAMPLE = """\
example: python -m studies.ablation policies/panda buffer --variant 'w4a8-gptq*' --out ablation
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; the exit status is 0 when it could be done, whatever it found."""
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    add = parser.add_argument
    add("bundle", type=Path, help="directory of a float bundle")
    add("buffer", type=Path, help="directory of its calibration buffer")
    add("--out", type=Path, required=True, help="directory; an ablation there goes on")
    add("--variant", action="append", default=[], help="name or pattern; all if none")
    add("--setting", action="append", choices=("normal", "hard"), help="both if none")
    add("--task", action="append", default=[], help="family; all if none")
    add("--episodes", type=int, default=50,
        help="of each task and setting, even; 0: open loop alone (50)")  # fmt: skip
    add("--workers", type=int, help="processes; one a CPU core if not given")
    add("--fresh", type=Path, action="append", default=[],
        help="further buffer to measure action errors on; may be repeated")  # fmt: skip
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.episodes < 0 or (options.workers is not None and options.workers < 1):
        parser.error("--episodes must be 0 or more and --workers 1 or more")
    with study_command(KIND):
        from studies.ablation.run import ablate
        from studies.ablation.table import RECORD, grids, lines

        record = ablate(
            options.bundle, options.buffer, options.variant, options.setting or ["normal", "hard"],
            options.task, options.episodes, options.workers, options.out, options.fresh,
        )  # fmt: skip
        show_record(record, options.json, lines(record), grids(record), options.out / RECORD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
