# SPDX-License-Identifier: Apache-2.0
"""A long run with inputs that fall silent now and then: memory and file handles must not grow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from calib_tools.common.progress import Report
from studies.timing.moving_arm import MovingArm, moving_arm

SOURCES = ("wrist", "joint_states")
SAMPLE_S = 10.0
DROP_OUT_EVERY_S = 60.0
SETTLED_S = 300.0  # caches are full by then


def study_soak(
    bundle: Path, rate_hz: float, seconds: float, logs: Path, report: Report
) -> dict[str, Any]:
    """Run for `seconds`; returns samples of memory and handles, their growth, and late windows."""
    samples: list[dict[str, Any]] = []
    drop_outs = 0
    with moving_arm(bundle, rate_hz, logs, report) as (arm, record):

        def look(gone: float) -> None:
            nonlocal drop_outs
            samples.append(_sample(arm, gone))
            report(f"{gone / 60:.1f} of {seconds / 60:.0f} min, {drop_outs} drop-outs")
            if gone > (drop_outs + 1) * DROP_OUT_EVERY_S:
                _drop_out(arm, SOURCES[drop_outs % len(SOURCES)])
                drop_outs += 1

        arm.run(seconds, SAMPLE_S, look)
    return {
        "seconds": seconds,
        "drop_outs": drop_outs,
        "faults": record["faults"],
        "published": record["published"],
        "late": record["late"],
        "latest_ms": record["latest_ms"],
        "reported_late": samples[-1]["late"],
        "growth": growth(samples),
        "samples": samples,
    }


def growth(samples: list[dict[str, Any]]) -> dict[str, float]:
    """Per hour, by a line through what was sampled after `SETTLED_S`; of each process.

    The inference process is another one after it was started again, so its samples are taken only
    from the last start on.
    """
    settled = [s for s in samples if s["seconds"] >= SETTLED_S]
    result = {}
    for key in ("node_bytes", "node_handles", "worker_bytes", "worker_handles"):
        rows = settled
        if key.startswith("worker") and settled:
            rows = [s for s in settled if s["worker_pid"] == settled[-1]["worker_pid"]]
        if len(rows) < 2:
            result[f"{key}_per_hour"] = 0.0
            continue
        line = np.polyfit([s["seconds"] for s in rows], [s[key] for s in rows], 1)
        result[f"{key}_per_hour"] = float(line[0]) * 3600.0
    return result


def _sample(arm: MovingArm, gone: float) -> dict[str, Any]:
    worker = int(arm.operator.policy.diagnostics("inference")[1].get("worker_pid", 0) or 0)
    return {
        "seconds": round(gone, 1),
        "node_bytes": resident_bytes(arm.node.pid),
        "node_handles": open_handles(arm.node.pid),
        "worker_pid": worker,
        "worker_bytes": resident_bytes(worker),
        "worker_handles": open_handles(worker),
        "late": int(arm.figures.get("late", 0)),
    }


def resident_bytes(pid: int) -> int:
    """Memory that a process holds now; 0 when there is none of this number."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_handles(pid: int) -> int:
    """Files, pipes and sockets that a process has open; 0 when there is none of this number."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _drop_out(arm: MovingArm, source: str) -> None:
    """Let an input fall silent until the arm has stopped for it, then go on."""
    arm.operator.silence(source, True)
    try:
        arm.wait(lambda: arm.fault, f"fault after {source} fell silent")
    finally:
        arm.operator.silence(source, False)
    arm.recover()
