# SPDX-License-Identifier: Apache-2.0
"""How tables are printed, and those that several commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import GateRecord


def new_table(title: str, *columns: str) -> Table:
    """A table of a title and columns; the first stands left, figures right."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: names and paths of users may look like rich's markup."""
    table.add_row(*map(escape, cells))


GATE_HEAD = ["INT8 against float", "value", "against float's own spread", "threshold", "met"]


def gate_rows(gate: GateRecord) -> list[list[str]]:
    """Rows of a gate table, as `GATE_HEAD`; where there are two figures the second is judged.

    Against the float policy's own spread, the mean difference is a share of it, and of all others
    it is what lies beyond.
    """
    limits, beyond = gate.thresholds, gate.beyond_spread
    commands = max(1, gate.samples * gate.gripper_commands)
    cosine = 1.0 - beyond.cosine_error
    return [
        ["mean chunk difference, rad", f"{gate.chunk_mae:.5f}", *_share(gate)],
        [
            "largest chunk difference, rad",
            f"{gate.chunk_max:.5f}",
            f"{beyond.chunk_max:.5f}",
            f"<= {limits['chunk_max']:g}",
            _met(beyond.chunk_max <= limits["chunk_max"]),
        ],
        [
            "cosine of normalized chunks",
            f"{gate.cosine:.5f}",
            f"{cosine:.5f}",
            f">= {limits['cosine']:g}",
            _met(cosine >= limits["cosine"]),
        ],
        [
            f"gripper commands of {commands} with another sign",
            f"{gate.gripper_flips}",
            f"{beyond.gripper_flips}",
            f"<= {100 * limits['gripper_flips']:g} %",
            _met(beyond.gripper_flips / commands <= limits["gripper_flips"]),
        ],
        [
            "jerk, INT8 over float",
            f"{gate.jerk_ratio:.4f}",
            "",
            f"<= {limits['jerk_ratio']:g}",
            _met(gate.jerk_ratio <= limits["jerk_ratio"]),
        ],
    ]


def _share(gate: GateRecord) -> list[str]:
    if gate.error_share is None:  # a bundle that was judged before there was this measure
        limit = gate.thresholds["chunk_mae"]
        return ["", f"<= {limit:g}", _met(gate.chunk_mae <= limit)]
    limit = gate.thresholds["error_share"]
    share = f"{100 * gate.error_share:.0f} % of it"
    return [share, f"<= {100 * limit:g} %", _met(gate.error_share <= limit)]


def listed_corrections(names: Sequence[str]) -> str:
    """Names of corrections (see `Corrections`) in one line, the heads of a layer together."""
    layers: dict[str, list[str]] = {}
    for name in names:
        kind, layer, *head = name.split(":")
        layers.setdefault(f"{kind}:{layer}", []).extend(head)
    listed = (layer + f" (heads {' '.join(h)})" * bool(h) for layer, h in layers.items())
    return ", ".join(listed) or "none"


def _met(holds: bool) -> str:
    return "yes" if holds else "no"


def show_gate(gate: GateRecord) -> None:
    """Print a judgement."""
    verdict = "[green]passed[/]" if gate.passed else "[red]failed[/]"
    table = new_table(
        f"Gate {verdict} on {gate.samples} held-out samples, kernel {gate.kernel}", *GATE_HEAD
    )
    colours = {_met(True): "green", _met(False): "red"}
    for *cells, met in gate_rows(gate):
        table.add_row(*cells, f"[{colours[met]}]{met}[/]")
    Console().print(table)


def show_grids(*grids: tuple[str, list[str], list[list[str]]]) -> None:
    """Print tables of a title, a head and rows of plain text; those without rows are left out."""
    for title, head, body in grids:
        if body:
            table = new_table(title, *head)
            for row in body:
                add_row(table, *row)
            Console().print(table)
