# SPDX-License-Identifier: Apache-2.0
"""The tables of a record of one block of each kind, and what it says of the whole network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.study import Grid, grids_text

RECORD, KIND = "full-size-block.json", "studies.full_size.block"
PART_HEAD = ["part", "CPU time measured, s", "share of the weights", "estimate for all, s"]
MEMORY_HEAD = ["bundle, GB", "peak, GB", "of it libraries, GB"]


def lines(record: Mapping[str, Any]) -> list[str]:
    """What was measured, and what of it is an estimate."""
    total = sum(float(row[-1]) for row in part_rows(record))
    return [
        f"{record['architecture']['layers']} blocks of each stack of {record['family']} in its "
        f"full width with random weights, quantized to "
        f"{record['scheme']} with {record['samples']} samples on {record['threads']} thread(s).",
        f"Estimate, not measured, for the whole network: {total / 3600:.1f} hours of CPU time.",
    ]


def part_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """CPU time by part."""
    measured, whole = record["weights"]["measured"], record["weights"]["whole"]
    rows = []
    for name, seconds in record["parts"].items():
        of = name.rpartition(" ")[2]
        share = measured[of] / whole[of]
        row = [name, f"{seconds:.1f}", f"{100 * share:.1f} %", f"{seconds / share:.0f}"]
        rows.append(row)
    return rows


def grids(record: Mapping[str, Any]) -> list[Grid]:
    """Time, and memory."""
    memory = [[f"{record[k] / 1e9:.2f}" for k in ("bundle_bytes", "peak_bytes", "base_bytes")]]
    return [("Time", PART_HEAD, part_rows(record)), ("Memory", MEMORY_HEAD, memory)]


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of a record."""
    return grids_text(["\n".join(lines(record))], grids(record))
