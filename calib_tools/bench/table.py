# SPDX-License-Identifier: Apache-2.0
"""The table that `quantvla bench` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from calib_tools.common.tables import new_table

PYTORCH = "pytorch_compiled"  # third beside engines: the float policy by compiled PyTorch


def show_bench(record: dict[str, Any]) -> None:
    """Print latency and memory."""
    machine = f"{record['cpu']['model']} ({record['target']})"
    latency, weights = record["latency_ms"], record["weight_bytes"]
    beside = [PYTORCH] if PYTORCH in latency else []
    kernels = record["kernels"]
    shown = {"float_compiled": kernels["float_compiled"] if beside else "compiled float"}
    shown |= {"int8": f"INT8 ({record['kernel']})"}
    shown |= {name: f"float, compiled PyTorch ({kernels[name]})" for name in beside}
    table = new_table(machine, "", *shown.values())
    for key in ("p50", "p95", "p99"):
        table.add_row(f"latency {key}, ms", *(f"{latency[name][key]:.2f}" for name in shown))
    ratios = (latency["float_compiled"]["p50"] / latency[name]["p50"] for name in shown)
    table.add_row("speedup (p50)", *(f"{ratio:.2f}" for ratio in ratios))
    table.add_row(
        "weights held, MB", f"{weights['float'] / 1e6:.2f}", f"{weights['int8'] / 1e6:.2f}"
    )
    table.add_row(
        "quantized layers, MB",
        f"{weights['quantized_part_float'] / 1e6:.2f}",
        f"{weights['quantized_part_int8'] / 1e6:.2f}",
    )
    Console().print(table)
