# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and how a command prints its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace an existing output whole.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
BundleDir = Annotated[Path, typer.Argument(help="Directory of a bundle.")]
BufferDir = Annotated[Path, typer.Argument(help="Directory of a calibration buffer.")]
Residency = Annotated[
    str, typer.Option("--resident", help="Engines held at once on the GPU: all or sequential.")
]
Out = Annotated[Path, typer.Option("--out", help="Directory to write.")]


def print_json(content: dict[str, Any]) -> None:
    """Print a record to standard output."""
    print(json.dumps(content, indent=2))
