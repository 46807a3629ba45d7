# SPDX-License-Identifier: Apache-2.0
"""The table that `quantvla bench` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from calib_tools.bench.floats import INT8, heads, told
from calib_tools.common.tables import new_table


def show_bench(record: dict[str, Any]) -> None:
    """Print latency and memory."""
    machine = f"{record['cpu']['model']} ({record['target']})"
    latency, weights = record["latency_ms"], record["weight_bytes"]
    fastest = record["fastest_float"]
    shown = heads(record["kernels"])
    table = new_table(machine, "", *shown.values())
    for key in ("p50", "p95", "p99"):
        table.add_row(f"latency {key}, ms", *(f"{latency[name][key]:.2f}" for name in shown))
    ratios = (latency[fastest]["p50"] / latency[name]["p50"] for name in shown)
    table.add_row("beside the fastest float (p50)", *(f"{ratio:.2f}x" for ratio in ratios))
    for text, whole in (("weights held", ""), ("quantized layers", "quantized_part_")):
        held = (weights[f"{whole}{name}"] / 1e6 for name in ("int8", "float"))
        table.add_row(f"{text}, MB", *(f"{megabytes:.2f}" for megabytes in held))
    console = Console()
    console.print(table)
    quick = record["fastest_int8"]
    runs = record["backend"] if quick == INT8 else quick.removeprefix(f"{INT8}_")
    verdict = (
        f"Fastest and exact here: INT8 on backend '{runs}' ({record['kernels'][quick]}), "
        f"{latency[fastest]['p50'] / latency[quick]['p50']:.2f}x the fastest float, "
        f"{told(record['kernels'][fastest])}. Each backend proves its integers when it loads."
    )
    console.print(verdict, markup=False, highlight=False)
    for why in record["not_measured"].values():
        console.print(f"A float runtime was left out: {why}.", markup=False, highlight=False)
