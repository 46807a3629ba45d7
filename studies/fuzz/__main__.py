# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.fuzz``."""

from __future__ import annotations

import sys
from typing import Any

from calib_tools.common.progress import Report
from studies.fuzz.file_study import FAILED, study_files
from studies.fuzz.table import KIND, markdown
from studies.study import run_study, study_parser

FILES = ("bundle", "buffer", "bag", "parameters", "configuration", "picture")
MESSAGES = "messages"
_TEXT = """\
Damage messages and files by the thousand and see what becomes of them. Messages go over DDS to a
policy node that moves the simulated robot; bundles, calibration buffers, parameter files and
compressed pictures are opened as their user would. Each must be accepted or refused with a
sentence: a crash, a hang, an error of another kind or a command beyond the limits is a failure.
Writes a record.
"""
_EXAMPLE = """\
example: python -m studies.fuzz --cases 2000 --out docs/records/fuzz.json --force
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status is 0 without a failure."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--cases", type=int, default=2000, help="of each kind (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default 0)")
    parser.add_argument("--kind", action="append", choices=(MESSAGES, *FILES),
                        help="this kind only; may be repeated")  # fmt: skip
    options = parser.parse_args(arguments)
    kinds = options.kind or [MESSAGES, *FILES]

    def measure(report: Report) -> dict[str, Any]:
        rows = []
        if MESSAGES in kinds:
            from studies.fuzz.message_study import study_messages

            rows.append(study_messages(options.cases, options.seed, options.logs, report))
        files = [kind for kind in kinds if kind != MESSAGES]
        rows += study_files(files, options.cases, options.seed, report) if files else []
        return {"seed": options.seed, "kinds": rows}

    record = run_study(KIND, options, arguments, measure)
    print(markdown(record))
    return 1 if any(row[FAILED] for row in record["kinds"]) else 0


if __name__ == "__main__":
    sys.exit(main())
