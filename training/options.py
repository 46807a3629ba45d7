# SPDX-License-Identifier: Apache-2.0
"""Command-line options that the trainings share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Demos = Annotated[list[Path], typer.Option(help="Data set of demonstrations; may be given again.")]
Corrections = Annotated[
    list[Path] | None, typer.Option(help="Data set of corrections; may be given again.")
]
CorrectionWeight = Annotated[float, typer.Option(help="Weight of a correction.")]
