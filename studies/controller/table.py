# SPDX-License-Identifier: Apache-2.0
"""The table that a record of the study gives."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from studies.study import grids_text

RECORD = "controller-study.json"
KIND = "studies.controller"
_ORDERS = ("velocity", "acceleration", "jerk")


def is_good(row: Mapping[str, Any]) -> bool:
    """Whether the setpoints of published windows keep every limit; other rows are never bad."""
    return row["windows"] != "as published" or all(row[order] <= 1.0 for order in _ORDERS)


def markdown(record: Mapping[str, Any]) -> str:
    """Largest velocity / acceleration / jerk over their limits, a column for each rate."""
    head = ["windows", "release", "starts from"]
    head += [f"{rate:.0f} Hz" for rate in sorted({row["rate_hz"] for row in record["rows"]})]
    keys, lines = ("windows", "release", "interpolate_from_desired_state"), []
    for (kind, release, desired), rows in groupby(
        record["rows"], lambda row: tuple(row[key] for key in keys)
    ):
        begins = "last setpoint" if desired else "measured state, 10 ms old"
        cells = [" / ".join(_share(row[order]) for order in _ORDERS) for row in rows]
        lines.append([kind, release, begins, *cells])
    about = (
        f"{record['count']} windows at 50 Hz, of {record['episodes']} episodes; "
        "largest velocity / acceleration / jerk of the controller's setpoints over the limits:"
    )
    return grids_text([about], [("", head, lines)])


def _share(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
