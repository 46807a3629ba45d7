# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m calib_tools.fault_study``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from calib_tools.fault_study.run import machine, study
from calib_tools.fault_study.table import KIND, SCHEMA, figure, is_good, markdown
from calib_tools.output import check_file_free, write_file, write_json
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError

_TEXT = """\
Provoke every fault of the policy node on the simulated robot, over real topics, while a scripted
policy waves the arm, and measure how the arm stops. Writes a record; a figure with --figure. Takes
about five minutes on an idle machine.
"""
_EXAMPLE = """\
example: python -m calib_tools.fault_study --out docs/records/fault-study.json \\
             --figure docs/images/fault-stops.svg --kills 100 --force
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status is 0 when every fault stopped the arm within its limits."""
    parser = argparse.ArgumentParser(
        prog=KIND, description=_TEXT, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="file for the record")
    parser.add_argument("--figure", type=Path, help="file for the figure (SVG)")
    parser.add_argument("--fault", action="append", choices=[c.value for c in FaultCode],
                        help="this fault only; may be repeated")  # fmt: skip
    parser.add_argument("--kills", type=int, default=0,
                        help="so many more deaths of the inference process")  # fmt: skip
    parser.add_argument("--logs", type=Path, default=Path("fault_study_logs"),
                        help="directory for the processes' logs")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an older record")
    options = parser.parse_args(arguments)
    codes = [FaultCode(name) for name in options.fault or [c.value for c in FaultCode]]
    try:
        check_file_free(options.out, options.force)
        stops, kills = study(
            codes, options.kills, options.logs,
            lambda text: print(text, file=sys.stderr, flush=True),
        )  # fmt: skip
    except QuantVLAError as error:
        print(f"fault_study: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fault_study: stopped; nothing was written", file=sys.stderr)
        return 130
    command = ["python", "-m", KIND, *(arguments or sys.argv[1:])]
    record = {
        "kind": KIND,
        "schema": SCHEMA,
        "command": command,
        "machine": machine(),
        "stops": stops,
        "kills": kills,
    }
    write_json(options.out, record)
    if options.figure is not None:
        write_file(options.figure, figure(record))
    print(markdown(record))
    return 0 if all(map(is_good, [*stops, *kills])) else 1


if __name__ == "__main__":
    sys.exit(main())
