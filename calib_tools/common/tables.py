# SPDX-License-Identifier: Apache-2.0
"""The tables that commands print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from calib_tools.buffer.store import BufferDescription
    from calib_tools.doctor import Finding
    from quantvla_ros.bundle.schema import GateRecord

_MARKS = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _add(table: Table, *cells: str) -> None:
    """Add a row of plain text: names and paths of users may look like rich's markup."""
    table.add_row(*map(escape, cells))


def show_selection(path: Path, description: BufferDescription) -> None:
    """Print what became of the groups of a recording."""
    counts = description.selection
    table = _table(f"Calibration buffer {escape(str(path))}", "groups", "number")
    table.add_row("synchronised", str(counts.groups))
    for reason, number in counts.rejected.items():
        _add(table, f"rejected: {reason}", str(number))
    table.add_row("near-duplicates dropped", str(counts.near_duplicates))
    table.add_row("left out by the spread", str(counts.surplus))
    table.add_row("[bold]samples kept", str(counts.kept))
    Console().print(table)


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
    table = _table(
        f"Gate {verdict} on {gate.samples} held-out samples, kernel {gate.kernel}", *GATE_HEAD
    )
    colours = {_met(True): "green", _met(False): "red"}
    for *cells, met in gate_rows(gate):
        table.add_row(*cells, f"[{colours[met]}]{met}[/]")
    Console().print(table)


def show_bench(record: dict[str, Any]) -> None:
    """Print latency and memory."""
    cpu = record["cpu"]
    vnni = "with VNNI" if cpu["vnni"] else "without VNNI"
    table = _table(f"{cpu['model']} {vnni}", "", "compiled float", f"INT8 ({record['kernel']})")
    latency, weights = record["latency_ms"], record["weight_bytes"]
    for key in ("p50", "p95", "p99"):
        table.add_row(
            f"latency {key}, ms",
            f"{latency['float_compiled'][key]:.2f}",
            f"{latency['int8'][key]:.2f}",
        )
    table.add_row("speedup (p50)", "1", f"{record['speedup']:.2f}")
    table.add_row(
        "weights held, MB", f"{weights['float'] / 1e6:.2f}", f"{weights['int8'] / 1e6:.2f}"
    )
    table.add_row(
        "quantized layers, MB",
        f"{weights['quantized_part_float'] / 1e6:.2f}",
        f"{weights['quantized_part_int8'] / 1e6:.2f}",
    )
    Console().print(table)


def show_inspection(found: dict[str, Any]) -> None:
    """Print what is inside a bundle."""
    console = Console()
    table = _table(f"Bundle {escape(found['path'])}", "", "")
    table.columns[1].justify = "left"
    _add(table, "sha256 of bundle.yaml", found["sha256"])
    _add(table, "family", found["family"])
    _add(table, "cameras", ", ".join(f"{n} {s}" for n, s in found["cameras"].items()))
    tip = f" and the position of {found['tip']}" if found["tip"] else ""
    _add(table, "state", ", ".join(found["state"]) + tip)
    _add(table, "action", f"{found['action']['kind']}: {', '.join(found['action']['names'])}")
    _add(table, "chunk", f"{found['horizon']} steps of {found['dt_s']:g} s")
    _add(table, "denoise steps", str(found["denoise_steps"]))
    _add(table, "files", ", ".join(f"{n} {s:,} bytes" for n, s in found["files"].items()))
    _add(table, "tensors", ", ".join(f"{n} {s:,} bytes" for n, s in found["tensors"].items()))
    quantization = found["quantization"]
    if quantization:
        bits = quantization["activation_bits"]
        _add(table, "scheme", f"{quantization['scheme']}, activations of {bits} bits")
        _add(table, "layout", quantization["layout"])
        _add(table, "corrections kept", listed_corrections(quantization["corrections_kept"]))
        _add(table, "calibration buffer", quantization["calibration_sha256"])
    else:
        _add(table, "quantization", "none (float)")
    if known := found["calibration"]:
        _add(table, "calibrated instructions", "\n".join(known["instructions"]))
    gate = found["gate"]
    _add(table, "gate", "none" if gate is None else "passed" if gate["passed"] else "failed")
    console.print(table)
    if quantization:
        layers = _table("Layers", "role", "precision", "layers", "weights")
        for row in quantization["layers"]:
            _add(layers, row["role"], row["precision"], str(row["layers"]), f"{row['weights']:,}")
        console.print(layers)


def show_examination(findings: Sequence[Finding]) -> None:
    """Print what the doctor found, and how to mend it."""
    table = Table()
    for column in ("check", "", "found", "way out"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        text, remedy = escape(finding.text), escape(finding.remedy)
        table.add_row(finding.name, _MARKS[finding.status], text, remedy)
    Console().print(table)


def show_evaluation(record: dict[str, Any], out: Path) -> None:
    """Print the tables of an evaluation."""
    from calib_tools.evaluate import table as rows

    console = Console()
    for title, head, body in (
        ("Closed-loop success", rows.SUCCESS_HEAD, rows.success_rows(record)),
        ("Second less first, in points", rows.PAIR_HEAD, rows.pair_rows(record)),
    ):
        if body:
            table = _table(title, *head)
            for row in body:
                _add(table, *row)
            console.print(table)
    console.print(rows.summary_line(record), markup=False, highlight=False)
    console.print(f"Record: {out / 'evaluation.json'}", markup=False, highlight=False)


def show_ablation(record: dict[str, Any], out: Path) -> None:
    """Print the tables of an ablation."""
    from studies.ablation import table as rows

    _show_grids(
        ("Action error on held-out samples", rows.OPEN_HEAD, rows.open_rows(record)),
        ("Action error on fresh samples", rows.FRESH_HEAD, rows.fresh_rows(record)),
        ("Each part's share of the error", rows.FRESH_STEP_HEAD, rows.fresh_step_rows(record)),
        ("Closed-loop success", rows.CLOSED_HEAD, rows.closed_rows(record)),
        ("Each part's share of success", rows.STEP_HEAD, rows.step_rows(record)),
    )
    lines = [rows.summary_line(record), rows.same_networks(record), f"Record: {out / rows.RECORD}"]
    Console().print("\n".join(filter(None, lines)), markup=False, highlight=False)


def show_bench_schemes(record: dict[str, Any], out: Path) -> None:
    """Print the tables of a bench of all schemes."""
    from calib_tools.bench import table as rows

    _show_grids(
        ("Latency and memory", rows.SPEED_HEAD, rows.speed_rows(record)),
        ("Quantization", rows.MAKING_HEAD, rows.making_rows(record)),
    )
    Console().print(
        f"{rows.summary_line(record)}\nRecord: {out / rows.RECORD}", markup=False, highlight=False
    )


def _show_grids(*grids: tuple[str, list[str], list[list[str]]]) -> None:
    for title, head, body in grids:
        if body:
            table = _table(title, *head)
            for row in body:
                _add(table, *row)
            Console().print(table)
