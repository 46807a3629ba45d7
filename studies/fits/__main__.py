# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.fits``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from studies.study import bare_parser, show_record, study_command

_TEXT = """\
What the weights of each published architecture take on disk and in memory, as they are and
quantized, and on which boards they fit. Bytes that a record of `studies.full_size` measured are
taken from it; all others are computed from the published shapes, and marked so.
"""
_EXAMPLE = """\
example: python -m studies.fits --measured full-size/full-size.json --out what-fits.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the record; the exit status is 0 when it could be done."""
    parser = bare_parser("studies.fits", _TEXT, _EXAMPLE)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="file for the record")
    add("--measured", type=Path, action="append", default=[], help="full-size.json; repeatable")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    with study_command("studies.fits"):
        from calib_tools.common.output import write_json
        from studies.fits.sizes import fits
        from studies.fits.table import grids, lines

        record = fits(options.measured)
        write_json(options.out, record)
        show_record(record, options.json, lines(record), grids(record), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
