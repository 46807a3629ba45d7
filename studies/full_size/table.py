# SPDX-License-Identifier: Apache-2.0
"""The tables of a record of full sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.scheme_bench.table import grids as bench_grids
from studies.scheme_bench.table import summary_line
from studies.study import Grid, grids_text

RECORD, KIND = "full-size.json", "studies.full_size"
MEMORY_HEAD = ["scheme", "peak, GB", "of it libraries, GB", "the rest, of the float bundle"]
HEAD = ["checkpoint, GB", "bundle, GB", "import, s", "peak memory, GB", "of the checkpoint"]


def lines(record: Mapping[str, Any]) -> list[str]:
    """What was measured."""
    about = f"Random weights in the published sizes of {record['network']['family']}."
    return [about, summary_line(record)]


def grids(record: Mapping[str, Any]) -> list[Grid]:
    """Import, latency, and quantization."""
    found = record["import"]
    row = [
        f"{found['checkpoint_bytes'] / 1e9:.3f}",
        f"{found['bundle_bytes'] / 1e9:.3f}",
        f"{found['seconds']:.0f}",
        f"{found['peak_bytes'] / 1e9:.2f}",
        f"{found['peak_bytes'] / found['checkpoint_bytes']:.2f}",
    ]
    memory = [
        [
            scheme,
            f"{made['peak_bytes'] / 1e9:.2f}",
            f"{made['base_bytes'] / 1e9:.2f}",
            f"{(made['peak_bytes'] - made['base_bytes']) / found['bundle_bytes']:.2f}",
        ]
        for scheme, made in record["quantization"].items()
    ]
    return [
        ("Import", HEAD, [row]),
        *bench_grids(record),
        ("Memory while quantizing", MEMORY_HEAD, memory),
    ]


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of a record."""
    return grids_text(["\n".join(lines(record))], grids(record))
