# SPDX-License-Identifier: Apache-2.0
"""The contract report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from calib_tools.common.tables import add_row, new_table
from quantvla_ros.bundle.contract import Contract, ValueLine


def show_contract(contract: Contract) -> None:
    """Print that of an import, or of the bundle that one wrote."""
    console = Console()
    cameras = new_table(
        f"Checkpoint {contract.checkpoint}", "camera", "in the checkpoint", "topic", "size"
    )
    for line in contract.cameras:
        add_row(cameras, line.slot, line.key, line.topic, f"{line.width}x{line.height}")
    for key in contract.absent:
        add_row(cameras, "none", key, "", "left out")
    console.print(cameras)
    console.print(_values("State", contract.state, False))
    console.print(_values(f"Action, {contract.rate:g} rows a second", contract.action, True))
    prompt = new_table("Prompt", "instruction", "as it is read", "tokens")
    prompt.columns[1].justify = "left"
    add_row(prompt, contract.instruction, repr(contract.prompt), str(contract.tokens))
    console.print(prompt)
    for note in contract.notes:
        console.print(f"Note: {note}", markup=False)


def _values(title: str, lines: list[ValueLine], commanded: bool) -> Table:
    counted = ["counted"] if commanded else []
    table = new_table(title, "policy's name", "joint", "unit", "group", *counted, "scaled by")
    for line in lines:
        kind = [line.counted] if commanded else []
        add_row(table, line.name, line.joint, line.unit, line.group, *kind, line.scaled)
    return table
