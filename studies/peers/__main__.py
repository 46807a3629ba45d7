# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.peers``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from studies.peers.catalogue import LARGE, PEERS
from studies.peers.environment import go_inside, is_inside
from studies.peers.table import KIND
from studies.study import run_study, study_command, study_parser

_TEXT = """\
Time the float and the INT8 policy by this package, onnxruntime and OpenVINO, with what NNCF and
onnxruntime quantize by themselves, in turn, on one and two threads, with VNNI and without. With
--gate they are judged on the buffer's held-out samples, with --episodes in closed loop. Without a
buffer: a published architecture in its full size with random weights, speed alone. Makes an
environment of its own, .venv-peers, when it is missing. The same command goes on after a stop.
"""
_EXAMPLE = """\
example: python -m studies.peers policies/panda buffer --gate --episodes 50 --out peers.json
         python -m studies.peers --family smolvla --out large-peers.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; the exit status is 0 when it could be done, whatever it found."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    add = parser.add_argument
    known = [peer.key for peer in PEERS]
    add("bundle", type=Path, nargs="?", help="float bundle")
    add("buffer", type=Path, nargs="?", help="its calibration buffer")
    add("--family", choices=("smolvla", "pi05"), help="whose published size, with random weights")
    add("--work", type=Path, default=Path("peers_work"), help="what is made already")
    add("--only", action="append", default=[], choices=known, metavar="PEER",
        help=f"of {', '.join(known)}; repeatable")  # fmt: skip
    add("--threads", type=int, action="append", default=[], help="repeatable (1 and 2)")
    add("--rounds", type=int, default=60, help="timed inferences of each (60)")
    add("--gate", action="store_true", help="judge what is not float")
    add("--episodes", type=int, default=0, help="of each task in closed loop (none)")
    add("--workers", type=int, help="processes that play (one a core)")
    options = parser.parse_args(arguments)
    if (options.family is None) == (options.buffer is None):
        parser.error("give a float bundle and its buffer, or --family")
    if not is_inside():
        with study_command(KIND):
            go_inside(KIND, list(sys.argv[1:] if arguments is None else arguments))
    run_study(KIND, options, arguments, lambda report: _measure(options, report))
    return 0


def _measure(options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from studies.peers import run, subject

    large = options.family is not None
    keys = options.only or (LARGE if large else [peer.key for peer in PEERS])
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    if large:
        made = subject.random_weights(options.family, work, report)
    else:
        made = subject.calibrated(options.bundle, options.buffer, work, report)
    run.make_graphs(made, keys, report)
    threads = options.threads or [1, 2]
    record = run.about(made)
    record["timings"] = run.timings(made, keys, threads, options.rounds, report)
    if options.gate:
        record["gate"] = run.judged(made, keys, report)
    if options.episodes:
        place = work / "evaluation"
        record["success"] = run.played(made, options.episodes, place, options.workers)
    return record


if __name__ == "__main__":
    sys.exit(main())
