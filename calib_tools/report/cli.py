# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import Force


def report(
    run_directory: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A demo, an evaluation, or a quantized bundle."),
    ],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    force: Force = False,
) -> None:
    """Make one HTML file, readable offline, from the records of a run."""
    from calib_tools.report.page import write_report

    write_report(run_directory, out, force)
    print(out)
