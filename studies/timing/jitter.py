# SPDX-License-Identifier: Apache-2.0
"""How punctually windows are published while the policy computes, with and without what helps."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from calib_tools.system.processes import Child
from calib_tools.system.trace import SETPOINTS, TRAJECTORY_TYPE
from studies.timing.moving_arm import NODE, moving_arm
from studies.timing.table import shares

PLAIN = "studies.timing.plain_node"
EMPTY = "studies.timing.empty_loop"
_EXTRA_S = 30.0
_TOPICS = {SETPOINTS: (TRAJECTORY_TYPE,)}


def study_jitter(
    bundle: Path, rate_hz: float, seconds: float, logs: Path, report: Report, backend: str
) -> list[dict[str, Any]]:
    """Run the node as it is, an empty loop beside it, and then the node plainly.

    Each runs for `seconds`. The empty loop has the control thread's priority and does nothing: its
    figures are what the machine itself allows under the same load. `backend` computes the policy.

    Returns:
        A row of each.
    """
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "empty.json"
        options = ("--rate", str(rate_hz), "--seconds", str(seconds), "--out", path)
        for name, module in (("as shipped", NODE), ("without measures", PLAIN)):
            report(f"{name}: {seconds:.0f} s at {rate_hz:.0f} Hz")
            with moving_arm(bundle, rate_hz, logs, report, module, _TOPICS, backend) as (
                arm,
                record,
            ):
                if module == NODE:
                    empty = Child("empty loop", EMPTY, options, logs / "empty_loop.log")
                    empty.start(os.environ)
                arm.run(seconds, 10.0, lambda gone: report(f"{gone:.0f} of {seconds:.0f} s"))
                realtime = arm.figures.get("realtime", "")
                arm.take(0.0)
                setpoints = arm.setpoints.shares(arm.limits)._asdict()
            rows.append(_row(name, realtime == "True", record) | {"setpoints": setpoints})
        empty.wait(_EXTRA_S)
        found = json.loads(path.read_text(encoding="utf-8"))
    return [*rows, _row("empty loop beside the first", found["realtime"], found)]


def _row(name: str, realtime: bool, record: dict[str, Any]) -> dict[str, Any]:
    row = {
        "node": name,
        "realtime": realtime,
        "published": record["published"],
        "jitter_ms": record["jitter_ms"],
        "late": record["late"],
    }
    if record["latency_ms"]:
        stages = {name: shares(values) for name, values in record["stages_ms"].items()}
        row |= {"stages_ms": stages, "faults": record["faults"]}
        row |= {"latency_ms": shares(record["latency_ms"])}
    return row
