# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.full_size``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from studies.study import bare_parser, show_record, study_command

_TEXT = """\
A published architecture in its full size with random weights: write a checkpoint as LeRobot does,
import it, quantize it, and time it beside compiled float; the peak memory of each is written down.
The same command goes on after a stop. Writes full-size.json; with --engines, which needs the
environment of .ci/make_tensorrt_check, it builds both graphs for SM 8.6 without a GPU instead.
"""
_EXAMPLE = """\
example: python -m studies.full_size smolvla --threads 2 --out full-size
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; the exit status is 0 when it could be done, whatever it found."""
    parser = bare_parser("studies.full_size", _TEXT, _EXAMPLE)
    add = parser.add_argument
    add("family", choices=("smolvla", "pi05"), help="whose published sizes")
    add("--out", type=Path, required=True, help="directory; what is there goes on")
    add("--scheme", action="append", default=[], help="of quantize (w8a8 and w4a8)")
    add("--rounds", type=int, default=20, help="timed inferences of each (20)")
    add("--threads", type=int, default=1, help="CPU threads (1)")
    add("--engines", choices=("onnx", "torch_tensorrt"), help="build engines by this, no bench")
    add("--block", action="store_true", help="quantize one block of each kind, and estimate all")
    add("--samples", type=int, default=16, help="that calibrate, with --block (16)")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.rounds < 3 or options.threads < 1 or options.samples < 4:
        parser.error("--rounds must be 3 or more, --threads 1 or more, and --samples 4 or more")
    if options.block and options.family == "smolvla":
        parser.error("--block is for networks that take hours; leave it out")

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with study_command("studies.full_size"):
        from studies.full_size.run import build, run
        from studies.full_size.table import RECORD, grids, lines

        if options.engines is not None:
            made = build(options.family, options.engines, options.out, tell)
            print(json.dumps(made, indent=2))
            return 0
        if options.block:
            from studies.full_size import block_table
            from studies.full_size.block import measure_block

            (scheme,) = options.scheme[:1] or ["w4a8"]
            found = measure_block(
                options.family, scheme, options.samples, options.threads, options.out, tell
            )
            shown = block_table.lines(found), block_table.grids(found)
            show_record(found, options.json, *shown, options.out / block_table.RECORD)
            return 0
        record = run(
            options.family,
            options.scheme or ["w8a8", "w4a8"],
            options.rounds,
            options.threads,
            options.out,
            tell,
        )
        show_record(record, options.json, lines(record), grids(record), options.out / RECORD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
