# SPDX-License-Identifier: Apache-2.0
"""The tables that the records give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORD = ("jitter.json", "cameras.json", "soak.json")
KIND = "studies.timing"


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record, by what it studied."""
    return {"jitter": _jitter, "cameras": _cameras, "soak": _soak}[record["study"]](record)


def _jitter(record: Mapping[str, Any]) -> str:
    lines = [
        f"Publishing at {record['rate_hz']:.0f} Hz while the policy computes:",
        "",
        "| node | real-time priority | windows | jitter p50 | p99 | largest | over 5 ms late | "
        "setpoints: velocity / acceleration / jerk over their limits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        jitter = row["jitter_ms"]
        lines.append(
            f"| {row['node']} | {'yes' if row['realtime'] else 'no'} | {row['published']} | "
            f"{jitter['p50']:.2f} ms | {jitter['p99']:.2f} ms | {jitter['max']:.1f} ms | "
            f"{row['late']} | {_ratios(row)} |"
        )
    return "\n".join(lines)


def _ratios(row: Mapping[str, Any]) -> str:
    return " / ".join(f"{share:.2f}" for share in row.get("setpoints", {}).values()) or "-"


def _cameras(record: Mapping[str, Any]) -> str:
    lines = [
        "| middleware | camera | published | lost | age on arrival p50 | p99 |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        age = row["age_ms"]
        ages = "- | -" if age is None else f"{age['p50']:.1f} ms | {age['p99']:.1f} ms"
        lines.append(
            f"| {row['profile']} | {row['camera']} | {row['published']} | {row['lost']} | {ages} |"
        )
    return "\n".join(lines)


def _soak(record: Mapping[str, Any]) -> str:
    growth, faults = record["growth"], sum(record["faults"].values())
    rows = {
        "length, control rate": f"{record['seconds'] / 60:.0f} min, {record['rate_hz']:.0f} Hz",
        "drop-outs of an input, faults": f"{record['drop_outs']}, {faults}",
        "windows published, over 5 ms late": f"{record['published']}, {record['late']}",
        "latest window": f"{record['latest_ms']:.1f} ms late",
        "memory of the node after minute 5": _megabytes(growth["node_bytes_per_hour"]),
        "memory of the inference process": _megabytes(growth["worker_bytes_per_hour"]),
        "file handles of the node": f"{_change(growth['node_handles_per_hour'])} an hour",
    }
    return "\n".join(
        ["| what | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    )


def _megabytes(per_hour: float) -> str:
    return f"{_change(per_hour / 1e6)} MB an hour"


def _change(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # never "-0.0"
