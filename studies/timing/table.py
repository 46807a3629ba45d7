# SPDX-License-Identifier: Apache-2.0
"""The tables that the records give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calib_tools.common.tables import markdown_grid
from studies.study import grids_text


def shares(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest of them, in their unit."""
    p50, p99, most = np.percentile(values, [50, 99, 100]).tolist()
    return {"p50": p50, "p99": p99, "max": most}


RECORD = ("jitter.json", "cameras.json", "soak.json", "startup.json")
KIND = "studies.timing"
_JITTER = {"p50": 2, "p99": 2, "max": 1}  # digits
_START_UP = {
    "processor time, least": ("cpu_s", "least"),
    "processor time, median": ("cpu_s", "median"),
    "clock, least": ("wall_s", "least"),
    "clock, median": ("wall_s", "median"),
}
_JITTER_HEAD = [
    "node", "real-time priority", "windows", "jitter p50", "p99", "largest", "over 5 ms late",
    "setpoints: velocity / acceleration / jerk over their limits",
]  # fmt: skip


def figures(published: int, ages_ms: list[float]) -> dict[str, Any]:
    """Published, received and lost frames, and the percentiles of their ages on arrival."""
    found = {"published": published, "received": len(ages_ms), "lost": published - len(ages_ms)}
    return {**found, "age_ms": shares(ages_ms) if ages_ms else None}


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record, by what it studied."""
    tables = {"jitter": _jitter, "cameras": _cameras, "soak": _soak, "startup": _start_up}
    return tables[record["study"]](record)


def _start_up(record: Mapping[str, Any]) -> str:
    rows = [
        [row["cache"], *(f"{row[kind][key]:.1f} s" for kind, key in _START_UP.values())]
        for row in record["rows"]
    ]
    return markdown_grid(["cache", *_START_UP], rows)


def _jitter(record: Mapping[str, Any]) -> str:
    rows = []
    for row in record["rows"]:
        shares = row.get("setpoints", {}).values()
        jitter = [f"{row['jitter_ms'][key]:.{d}f} ms" for key, d in _JITTER.items()]
        rows.append(
            [
                row["node"], "yes" if row["realtime"] else "no", str(row["published"]), *jitter,
                str(row["late"]), " / ".join(f"{share:.2f}" for share in shares) or "-",
            ]
        )  # fmt: skip
    text = f"Publishing at {record['rate_hz']:.0f} Hz while the policy computes:"
    return grids_text([text], [("", _JITTER_HEAD, rows)])


def _cameras(record: Mapping[str, Any]) -> str:
    rows = []
    for row in record["rows"]:
        age = row["age_ms"]
        ages = ["-", "-"] if age is None else [f"{age[key]:.1f} ms" for key in ("p50", "p99")]
        rows.append([str(row[k]) for k in ("profile", "camera", "published", "lost")] + ages)
    head = ["middleware", "camera", "published", "lost", "age on arrival p50", "p99"]
    return markdown_grid(head, rows)


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
    return markdown_grid(["what", "value"], list(rows.items()))


def _megabytes(per_hour: float) -> str:
    return f"{_change(per_hour / 1e6)} MB an hour"


def _change(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # never "-0.0"
