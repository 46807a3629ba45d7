# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m calib_tools.timing_study``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from calib_tools.fault_study.run import machine
from calib_tools.output import check_file_free, write_json
from calib_tools.timing_study.cameras import study_cameras
from calib_tools.timing_study.jitter import study_jitter
from calib_tools.timing_study.soak import study_soak
from calib_tools.timing_study.table import KIND, SCHEMA, markdown
from quantvla_ros.errors import QuantVLAError

_TEXT = """\
Measure on this machine, over real topics:
  jitter   how punctually the node publishes while the policy computes, with and without what it
           does for it
  cameras  whether frames of two 640x480 cameras are lost, with and without config/fastdds.xml
  soak     an hour with inputs that fall silent: memory, file handles, late windows
Writes a record and prints its table.
"""
_EXAMPLE = """\
examples: python -m calib_tools.timing_study jitter --bundle BUNDLE --out jitter.json
          python -m calib_tools.timing_study cameras --out cameras.json
          python -m calib_tools.timing_study soak --bundle BUNDLE --seconds 3600 --out soak.json
"""
_SECONDS = {"jitter": 60.0, "cameras": 60.0, "soak": 3600.0}


def main(arguments: list[str] | None = None) -> int:
    """Run one study; the exit status is 0 when it could be done, whatever it found."""
    parser = argparse.ArgumentParser(
        prog=KIND, description=_TEXT, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("study", choices=tuple(_SECONDS))
    parser.add_argument("--out", type=Path, required=True, help="file for the record")
    parser.add_argument("--bundle", type=Path, help="policy that the node runs (jitter, soak)")
    parser.add_argument("--rate", type=float, default=100.0, help="control rate in Hz (100)")
    parser.add_argument("--seconds", type=float, help="length of each run")
    parser.add_argument("--logs", type=Path, default=Path("timing_study_logs"),
                        help="directory for the processes' logs")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an older record")
    options = parser.parse_args(arguments)
    if options.study != "cameras" and options.bundle is None:
        parser.error(f"{options.study} needs --bundle")
    seconds = options.seconds or _SECONDS[options.study]

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        check_file_free(options.out, options.force)
        found = _study(options, seconds, say)
    except QuantVLAError as error:
        print(f"timing_study: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("timing_study: stopped; nothing was written", file=sys.stderr)
        return 130
    command = ["python", "-m", KIND, *(arguments or sys.argv[1:])]
    record = {
        "kind": KIND,
        "schema": SCHEMA,
        "study": options.study,
        "command": command,
        "machine": machine(),
        "rate_hz": options.rate,
        **found,
    }
    write_json(options.out, record)
    print(markdown(record))
    return 0


def _study(options: argparse.Namespace, seconds: float, say: Any) -> dict[str, Any]:
    if options.study == "cameras":
        return {"rows": study_cameras(seconds, options.logs, say)}
    if options.study == "jitter":
        rows = study_jitter(options.bundle, options.rate, seconds, options.logs, say)
        return {"rows": rows}
    return study_soak(options.bundle, options.rate, seconds, options.logs, say)


if __name__ == "__main__":
    sys.exit(main())
