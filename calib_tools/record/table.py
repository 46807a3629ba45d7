# SPDX-License-Identifier: Apache-2.0
"""The table that `quantvla record` and `quantvla select` print."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from calib_tools.buffer.store import BufferDescription
from calib_tools.common.tables import add_row, new_table


def show_selection(path: Path, description: BufferDescription) -> None:
    """Print what became of the groups of a recording."""
    counts = description.selection
    table = new_table(f"Calibration buffer {escape(str(path))}", "groups", "number")
    table.add_row("synchronised", str(counts.groups))
    for reason, number in counts.rejected.items():
        add_row(table, f"rejected: {reason}", str(number))
    table.add_row("near-duplicates dropped", str(counts.near_duplicates))
    table.add_row("left out by the spread", str(counts.surplus))
    table.add_row("[bold]samples kept", str(counts.kept))
    Console().print(table)
