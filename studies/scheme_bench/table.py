# SPDX-License-Identifier: Apache-2.0
"""The tables of a scheme bench, for the terminal and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.study import Grid, grids_text

Row = list[str]

RECORD, KIND = "bench-schemes.json", "studies.scheme_bench"

FASTER = 1.05  # a speedup below it is within what a machine wavers
SPEED_HEAD = [
    "policy", "p50, ms", "p95, ms", "speedup", "weights, MB", "quantized layers, MB",
    "less than fp16", "less than fp32", "faster than float",
]  # fmt: skip
MAKING_HEAD = [
    "scheme", "rounding", "time, s", "CPU time, s", "peak memory, GB", "of float network",
]  # fmt: skip


def speed_rows(record: Mapping[str, Any]) -> list[Row]:
    """Latency and held bytes of each policy."""
    rows = []
    for name, found in record["policies"].items():
        held, latency = found["weight_bytes"], found["latency_ms"]
        part = held["quantized_part"]
        row = [name, f"{latency['p50']:.1f}", f"{latency['p95']:.1f}", f"{found['speedup']:.2f}"]
        row += [f"{held['all'] / 1e6:.1f}"]
        if found["scheme"] is None:
            rows.append([*row, "", "", "", ""])
            continue
        row += [f"{part / 1e6:.2f}"]
        row += [f"{100 * (1 - part / held[f'quantized_part_{w}']):.1f} %" for w in ("fp16", "fp32")]
        rows.append([*row, "yes" if found["speedup"] >= FASTER else "no"])
    return rows


def making_rows(record: Mapping[str, Any]) -> list[Row]:
    """Time and memory that each quantization took."""
    size = record["network"]["float_bytes"]
    return [
        [
            scheme,
            found["rounding"],
            f"{found['seconds']:.0f}",
            f"{found['cpu_seconds']:.0f}",
            f"{found['peak_bytes'] / 1e9:.2f}",
            f"{found['peak_bytes'] / size:.2f}",
        ]
        for scheme, found in record["quantization"].items()
    ]


def summary_line(record: Mapping[str, Any]) -> str:
    """Network, machine, and what was measured."""
    network, cpu = record["network"], record["cpu"]
    kind = "A random network of SmolVLA's size" if network["random"] else "The policy"
    vnni = "with" if cpu["vnni"] else "without"
    fastest = record.get("fastest_float")
    beside = f", speedups beside the fastest float, `{fastest}`" if fastest else ""
    return (
        f"{kind}, {network['parameters'] / 1e6:.1f} M parameters, "
        f"{network['float_bytes'] / 1e9:.3f} GB in fp32; {cpu['model']}, {vnni} VNNI, "
        f"{cpu['threads']} thread(s), all in turn in one run{beside}. Peak memory holds Python "
        "and its libraries too."
    )


def grids(record: Mapping[str, Any]) -> list[Grid]:
    """The tables of a record."""
    return [
        ("Latency and memory", SPEED_HEAD, speed_rows(record)),
        ("Quantization", MAKING_HEAD, making_rows(record)),
    ]


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of a record."""
    return grids_text([summary_line(record)], grids(record))
