# SPDX-License-Identifier: Apache-2.0
"""How tables are printed, and those that several commands print."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import GateRecord, MotionErrors


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
    motions = (_motion_rows(motion, limits) for motion in gate.motions)
    return [
        *itertools.chain.from_iterable(motions),
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
    ]


def _motion_rows(motion: MotionErrors, limits: Mapping[str, float]) -> list[list[str]]:
    share, rougher = limits["error_share"], limits["jerk_ratio"]
    return [
        [
            f"{motion.name}: mean chunk difference, {motion.unit}",
            f"{motion.chunk_mae:.5f}",
            f"{100 * motion.error_share:.0f} % of it",
            f"<= {100 * share:g} %",
            _met(motion.error_share <= share),
        ],
        [
            f"{motion.name}: largest chunk difference, {motion.unit}",
            f"{motion.chunk_max:.5f}",
            f"{motion.chunk_max_beyond:.5f}",
            f"<= {motion.limit:g}",
            _met(motion.chunk_max_beyond <= motion.limit),
        ],
        [
            f"{motion.name}: jerk, INT8 over float",
            f"{motion.jerk_ratio:.4f}",
            "",
            f"<= {rougher:g}",
            _met(motion.jerk_ratio <= rougher),
        ],
    ]


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


def markdown_grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def show_grids(*grids: tuple[str, list[str], list[list[str]]]) -> None:
    """Print tables of a title, a head and rows of plain text; those without rows are left out."""
    for title, head, body in grids:
        if body:
            table = new_table(title, *head)
            for row in body:
                add_row(table, *row)
            Console().print(table)
