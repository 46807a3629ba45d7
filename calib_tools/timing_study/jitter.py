# SPDX-License-Identifier: Apache-2.0
"""How punctually windows are published while the policy computes, with and without what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calib_tools.demo.progress import Say
from calib_tools.timing_study.moving_arm import NODE, moving_arm

PLAIN = "calib_tools.timing_study.plain_node"


def study_jitter(
    bundle: Path, rate_hz: float, seconds: float, logs: Path, say: Say
) -> list[dict[str, Any]]:
    """Run the node as it is and then plainly, each for `seconds`; returns a row of each."""
    rows = []
    for name, module in (("as shipped", NODE), ("without measures", PLAIN)):
        say(f"{name}: {seconds:.0f} s at {rate_hz:.0f} Hz")
        with moving_arm(bundle, rate_hz, logs, say, module) as (arm, record):
            arm.run(seconds, 10.0, lambda gone: say(f"{gone:.0f} of {seconds:.0f} s"))
            realtime = arm.figures().get("realtime", "")
        rows.append(
            {
                "node": name,
                "realtime": realtime == "True",
                "published": record["published"],
                "jitter_ms": record["jitter_ms"],
                "late": record["late"],
                "latency_ms_p95": _p95(record["latency_ms"]),
                "faults": record["faults"],
            }
        )
    return rows


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else 0.0
