# SPDX-License-Identifier: Apache-2.0
"""The table and the figure that a record of the study gives."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from calib_tools.report.plots import INT8_COLOUR, drawing
from studies.study import grids_text

RECORD = "fault-study.json"
KIND = "studies.fault_study"
_HEAD = [
    "fault", "provoked by", "raised after", "at", "stops within", "peak acceleration", "peak jerk",
    "at rest",
]  # fmt: skip
_COLUMNS = 3


def markdown(record: Mapping[str, Any]) -> str:
    """The table: speeds, accelerations and jerks in percent of the joint's limit."""
    rows = [
        [
            f"`{stop['code']}`", stop["provoked_by"], f"{stop['raised_after_s']:.2f} s",
            f"{stop['speed_ratio']:.0%} of full speed", f"{stop['stop_s']:.2f} s",
            f"{stop['acceleration_ratio']:.0%} of the limit",
            f"{stop['jerk_ratio']:.0%} of the limit", "yes" if _rests(stop) else "NO",
        ]
        for stop in record["stops"]
    ]  # fmt: skip
    kills, text = record["kills"], ""
    if kills:
        good = sum(is_good(kill) for kill in kills)
        text = (
            f"The inference process killed at {len(kills)} random moments: {good} of {len(kills)} "
            "times the arm came to rest within its limits and moved again after a reset. The "
            f"longest stop took {max(kill['stop_s'] for kill in kills):.2f} s."
        )
    return grids_text(["", text], [("", _HEAD, rows)])


def _rests(stop: Mapping[str, Any]) -> bool:
    return bool(stop["rests"] and stop["measured_at_rest"])


def is_good(stop: Mapping[str, Any]) -> bool:
    """Whether the arm came to rest within its limits."""
    largest = max(stop[f"{of}_ratio"] for of in ("velocity", "acceleration", "jerk"))
    return _rests(stop) and largest <= 1.0 + 1e-6


def figure_source(record: Mapping[str, Any]) -> str:
    """What the figure says of the curves that it was drawn from."""
    drawn = [[stop["code"], stop["curve"]] for stop in record["stops"]]
    content = json.dumps(drawn, sort_keys=True)
    return f"curves of SHA-256 {hashlib.sha256(content.encode()).hexdigest()}"


def figure(record: Mapping[str, Any]) -> str:
    """Velocities of all joints around every stop, as SVG text."""
    import matplotlib.pyplot as plt

    stops = record["stops"]
    rows = -(-len(stops) // _COLUMNS)
    with drawing():
        drawn, axes = plt.subplots(
            rows, _COLUMNS, figsize=(9, 1.9 * rows), squeeze=False, layout="constrained"
        )
        for ax, stop in zip(axes.flat, stops, strict=False):
            ax.plot(stop["curve"]["time_s"], np.array(stop["curve"]["velocities"]), linewidth=0.9)
            ax.axvline(0.0, color=INT8_COLOUR, linewidth=0.8)
            ax.set_title(stop["code"], fontsize=8)
            ax.set_xlabel("s after the fault", fontsize=7)
            ax.set_ylabel("rad/s, m/s", fontsize=7)
        for ax in list(axes.flat)[len(stops) :]:
            ax.set_visible(False)
        stream = io.StringIO()
        metadata = {"Date": None, "Source": figure_source(record)}
        drawn.savefig(stream, format="svg", metadata=metadata)
        plt.close(drawn)
    return stream.getvalue()
