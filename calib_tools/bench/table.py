# SPDX-License-Identifier: Apache-2.0
"""The table that `quantvla bench` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from calib_tools.common.tables import new_table


def show_bench(record: dict[str, Any]) -> None:
    """Print latency and memory."""
    machine = f"{record['cpu']['model']} ({record['target']})"
    table = new_table(machine, "", "compiled float", f"INT8 ({record['kernel']})")
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
