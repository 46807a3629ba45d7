# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m calib_tools.fuzz``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from calib_tools.fuzz.file_study import FAILED, study_files
from calib_tools.fuzz.table import KIND, SCHEMA, markdown
from calib_tools.output import check_file_free, write_json
from quantvla_ros.errors import QuantVLAError

FILES = ("bundle", "buffer", "bag", "parameters", "configuration")
MESSAGES = "messages"
_TEXT = """\
Damage messages and files by the thousand and see what becomes of them. Messages go over DDS to a
policy node that moves the simulated robot; bundles, calibration buffers and parameter files are
opened as their user would. Each must be accepted or refused with a sentence: a crash, a hang, an
error of another kind or a command beyond the limits is a failure. Writes a record.
"""
_EXAMPLE = """\
example: python -m calib_tools.fuzz --cases 2000 --out docs/records/fuzz.json --force
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the study; the exit status is 0 without a failure."""
    parser = argparse.ArgumentParser(
        prog=KIND, description=_TEXT, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="file for the record")
    parser.add_argument("--cases", type=int, default=2000, help="of each kind (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default 0)")
    parser.add_argument("--kind", action="append", choices=(MESSAGES, *FILES),
                        help="this kind only; may be repeated")  # fmt: skip
    parser.add_argument("--logs", type=Path, default=Path("fuzz_logs"),
                        help="directory for the processes' logs")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an older record")
    options = parser.parse_args(arguments)
    kinds = options.kind or [MESSAGES, *FILES]

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        check_file_free(options.out, options.force)
        rows = []
        if MESSAGES in kinds:
            from calib_tools.fuzz.message_study import study_messages

            rows.append(study_messages(options.cases, options.seed, options.logs, say))
        files = [kind for kind in kinds if kind != MESSAGES]
        rows += study_files(files, options.cases, options.seed, say) if files else []
    except QuantVLAError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fuzz: stopped; nothing was written", file=sys.stderr)
        return 130
    command = ["python", "-m", KIND, *(arguments or sys.argv[1:])]
    record = {
        "kind": KIND,
        "schema": SCHEMA,
        "command": command,
        "seed": options.seed,
        "kinds": rows,
    }
    write_json(options.out, record)
    print(markdown(record))
    return 1 if any(row[FAILED] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
