# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.fault_study``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.whole_file import write_file
from studies.fault_study.scenarios import SCENARIOS
from studies.fault_study.table import KIND, figure, is_good, markdown
from studies.study import run_study, study_parser

_TEXT = """\
Provoke every fault of the policy node on the simulated robot, over real topics, while a scripted
policy waves the arm, and measure how the arm stops. Writes a record; a figure with --figure. Takes
about five minutes on an idle machine.
"""
_EXAMPLE = """\
example: python -m studies.fault_study --out docs/records/fault-study.json \\
             --figure docs/images/stops.svg --kills 100 --force
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status is 0 when every fault stopped the arm within its limits."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--figure", type=Path, help="file for the figure (SVG)")
    parser.add_argument("--fault", action="append", choices=[c.value for c in SCENARIOS],
                        help="this fault only; may be repeated")  # fmt: skip
    parser.add_argument("--kills", type=int, default=0,
                        help="so many more deaths of the inference process")  # fmt: skip
    options = parser.parse_args(arguments)
    codes = [FaultCode(name) for name in options.fault or [c.value for c in SCENARIOS]]

    def measure(report: Report) -> dict[str, Any]:
        from studies.fault_study.run import study

        if options.figure is not None:
            check_writable(options.figure)
        stops, kills = study(codes, options.kills, options.logs, report)
        return {"stops": stops, "kills": kills}

    record = run_study(KIND, options, arguments, measure)
    if options.figure is not None:
        write_file(options.figure, figure(record))
    print(markdown(record))
    return 0 if all(map(is_good, [*record["stops"], *record["kills"]])) else 1


if __name__ == "__main__":
    sys.exit(main())
