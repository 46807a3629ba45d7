# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.controller``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from studies.controller.table import KIND, is_good, markdown
from studies.study import run_study, study_parser

_TEXT = """\
Let a policy move the simulated robot through the node's control code, and replay its windows
through the trajectory controllers of every release at 100 to 1000 Hz: as they are published, and
without the points that are due when they come. Writes a record and prints its table.
"""
_EXAMPLE = """\
example: python -m studies.controller --bundle policies/panda \\
             --out docs/records/controller-study.json --force
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status is 0 when published windows keep every limit."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--bundle", type=Path, required=True, help="policy that moves the arm")
    parser.add_argument("--episodes", type=int, default=4, help="of pick_place (4)")
    options = parser.parse_args(arguments)

    def measure(report: Report) -> dict[str, Any]:
        from calib_tools.common.panda_limits import panda_limits
        from studies.controller.run import compare, record_motions

        motions = record_motions(options.bundle, options.episodes, report)
        return {
            "episodes": len(motions),
            "count": sum(len(motion.windows) for motion in motions),
            "rows": compare(motions, panda_limits(), report),
        }

    record = run_study(KIND, options, arguments, measure)
    print(markdown(record))
    return 0 if all(map(is_good, record["rows"])) else 1


if __name__ == "__main__":
    sys.exit(main())
