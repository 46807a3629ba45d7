# SPDX-License-Identifier: Apache-2.0
"""The rows of an evaluation's tables, for the terminal, the report and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from calib_tools.common.tables import show_grids
from calib_tools.evaluate.aggregate import ALL
from calib_tools.evaluate.record import RECORD

Row = list[str]

SUCCESS_HEAD = [
    "variant", "task", "shift", "solved", "success", "95 % interval", "time to success, s",
    "told / other / none",
]  # fmt: skip
MOTION_HEAD = [
    "variant", "task", "shift", "jerk, rad/s³", "boundary jump", "chunk gap", "clamped",
    "limited", "faults",
]  # fmt: skip
PAIR_HEAD = [
    "first, second", "task", "shift", "episodes", "difference", "95 % interval", "only one",
    "McNemar p",
]  # fmt: skip


def percent(value: float) -> str:
    """Such as "97.5 %"."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of rates in points, with its sign."""
    return f"{100 * value:+.1f}"


def success_rows(record: Mapping[str, Any]) -> list[Row]:
    """Success, time and grounding of each variant."""
    rows = []
    for row in record["aggregates"]:
        low, high = row["interval_95"]
        median = row["seconds_to_success"]["median"]
        rows.append(
            [
                row["variant"],
                _word(row["task"], "tasks"),
                _word(row["shift"], "shifts"),
                f"{row['successes']} of {row['episodes']}",
                percent(row["success"]),
                f"{percent(low)} to {percent(high)}",
                "" if median is None else f"{median:.1f}",
                " / ".join(str(number) for number in row["grounding"].values()),
            ]
        )
    return rows


def motion_rows(record: Mapping[str, Any]) -> list[Row]:
    """Smoothness, clamps and faults of each variant; empty where they were not measured."""
    rows = []
    for row in record["aggregates"]:
        faults = ", ".join(f"{code} {number}" for code, number in row["faults"].items())
        figures = (row["jerk_rad_s3"], row["boundary_jump"], row["chunk_gap"])
        counts = (row["clamped"], row["limited"])
        rows.append(
            [
                row["variant"],
                _word(row["task"], "tasks"),
                _word(row["shift"], "shifts"),
                *("" if value is None else f"{value:.3g}" for value in figures),
                *("" if value is None else f"{value:g}" for value in counts),
                faults or "none",
            ]
        )
    return rows


def pair_rows(record: Mapping[str, Any]) -> list[Row]:
    """Differences of each pair of variants (second less first, in points)."""
    rows = []
    for row in record["comparisons"]:
        low, high = row["interval_95"]
        rows.append(
            [
                f"{row['first']}, {row['second']}",
                _word(row["task"], "tasks"),
                _word(row["shift"], "shifts"),
                str(row["episodes"]),
                points(row["difference"]),
                f"{points(low)} to {points(high)}",
                f"{row['first_only']}, {row['second_only']}",
                f"{row['mcnemar_p']:.2g}",
            ]
        )
    return rows


def _word(name: str, plural: str) -> str:
    return f"all {plural}" if name == ALL else name


def summary_line(record: Mapping[str, Any]) -> str:
    """How the evaluation went, in one line."""
    settings, speed = record["settings"], record["speed"]
    text = f"Setting {settings['setting']}, {settings['wordings']} wordings, {settings['way']}"
    if settings["way"] == "in process":
        latency = ", ".join(f"{label} {ms:g} ms" for label, ms in record["latency_ms"].items())
        text += f"; simulated latency: {latency}"
    if speed["episodes_per_minute"] is not None:
        text += (
            f"; {speed['episodes']} episodes in {speed['seconds']:.0f} s with {speed['workers']} "
            f"workers: {speed['episodes_per_minute']:g} a minute"
        )
    decisions = record["decisions"]
    if decisions is not None:
        said = ", ".join(f"{who}: {what}" for who, what in decisions["decisions"].items())
        text += f"; sequential rule after {decisions['episodes']} episodes of each: {said}"
    return text + "."


def show_evaluation(record: Mapping[str, Any], out: Path) -> None:
    """Print the tables."""
    show_grids(
        ("Closed-loop success", SUCCESS_HEAD, success_rows(record)),
        ("Second less first, in points", PAIR_HEAD, pair_rows(record)),
    )
    console = Console()
    console.print(summary_line(record), markup=False, highlight=False)
    console.print(f"Record: {out / RECORD}", markup=False, highlight=False)
