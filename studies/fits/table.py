# SPDX-License-Identifier: Apache-2.0
"""The table of what fits where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.study import Grid, grids_text

RECORD, KIND = "what-fits.json", "studies.fits"
BOARDS = {"Orin Nano 8": 8, "Orin NX 16": 16, "AGX Orin 32": 32, "AGX Orin 64": 64}
"""GB of memory, which CPU and GPU share."""
SPARE_GB = 3.0
"""For the system, ROS, cameras, libraries and activations."""
HEAD = ["policy", "scheme", "weights, M", "of them integer, M", "on disk, GB", "held by `cpu`, GB"]


def rows(record: Mapping[str, Any]) -> list[list[str]]:
    """A row for each policy and scheme; a star marks what was computed from shapes."""
    found = []
    for row in record["rows"]:
        disk, cpu = (
            f"{row[key] / 1e9:.2f}{'' if key in row['measured'] else '*'}"
            for key in ("disk_bytes", "cpu_bytes")
        )
        counts = [f"{row[key] / 1e6:.0f}" for key in ("parameters", "integer_weights")]
        boards = [_fits(row["disk_bytes"] / 1e9, size) for size in BOARDS.values()]
        found.append([row["family"], row["scheme"], *counts, disk, cpu, *boards])
    return found


def _fits(weights: float, memory: float) -> str:
    """Engines hold weights as they lie on disk: 16 bits, or the integers."""
    return "yes" if weights + SPARE_GB <= memory else "no"


def lines(record: Mapping[str, Any]) -> list[str]:
    """What the table means."""
    return [
        "Weights of the published sizes with two cameras, layout `llm+dit_mlp`. A star: computed "
        'from shapes, not measured. A board holds a policy ("yes") where the weights as they lie '
        f"on disk, which is how engines hold them, and {SPARE_GB:g} GB for all else fit into its "
        "memory; no board was at hand."
    ]


def grids(record: Mapping[str, Any]) -> list[Grid]:
    """One table."""
    return [("What fits where", [*HEAD, *BOARDS], rows(record))]


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record."""
    return grids_text(lines(record), [("", [*HEAD, *BOARDS], rows(record))])
