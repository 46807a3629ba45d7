# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.timing``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from quantvla_ros.backends.registry import DEFAULT
from studies.study import run_study, study_parser
from studies.timing.table import KIND, markdown

_TEXT = """\
Measure on this machine, over real topics:
  jitter   how punctually the node publishes while the policy computes, with and without what it
           does for it
  cameras  whether frames of two 640x480 cameras are lost, with and without config/fastdds.xml
  soak     an hour with inputs that fall silent: memory, file handles, late windows
  startup  seconds of the inference process until the policy is ready, with an empty cache and
           with a filled one
Writes a record and prints its table.
"""
_EXAMPLE = """\
examples: python -m studies.timing jitter --bundle BUNDLE --out jitter.json
          python -m studies.timing cameras --out cameras.json
          python -m studies.timing soak --bundle BUNDLE --seconds 3600 --out soak.json
          python -m studies.timing startup --bundle BUNDLE --out startup.json
"""
_SECONDS = {"jitter": 60.0, "cameras": 60.0, "soak": 3600.0, "startup": 0.0}


def main(arguments: list[str] | None = None) -> int:
    """Run one study; the exit status is 0 when it could be done, whatever it found."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("study", choices=tuple(_SECONDS))
    parser.add_argument("--bundle", type=Path, help="policy that the node runs (all but cameras)")
    parser.add_argument("--rate", type=float, default=100.0, help="control rate in Hz (100)")
    parser.add_argument("--backend", default=DEFAULT, help="what computes it (jitter, startup)")
    parser.add_argument("--seconds", type=float, help="length of each run (not startup)")
    options = parser.parse_args(arguments)
    if options.study != "cameras" and options.bundle is None:
        parser.error(f"{options.study} needs --bundle")
    seconds = options.seconds or _SECONDS[options.study]

    def measure(report: Report) -> dict[str, Any]:
        found = _study(options, seconds, report)
        return {"study": options.study, "rate_hz": options.rate, **found}

    print(markdown(run_study(KIND, options, arguments, measure)))
    return 0


def _study(options: argparse.Namespace, seconds: float, report: Report) -> dict[str, Any]:
    if options.study == "cameras":
        from studies.timing.cameras import study_cameras

        return {"rows": study_cameras(seconds, options.logs, report)}
    if options.study == "jitter":
        from studies.timing.jitter import study_jitter

        rows = study_jitter(
            options.bundle, options.rate, seconds, options.logs, report, options.backend
        )
        return {"rows": rows}
    if options.study == "startup":
        from studies.timing.start_up import study_start_up

        return {"rows": study_start_up(options.bundle, options.backend, report)}
    from studies.timing.soak import study_soak

    return study_soak(options.bundle, options.rate, seconds, options.logs, report)


if __name__ == "__main__":
    sys.exit(main())
