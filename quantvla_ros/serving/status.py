# SPDX-License-Identifier: Apache-2.0
"""What diagnostics tell of a session: four checks with their figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.serving.threaded_session import ThreadedSession

Check = Literal["control", "inference", "inputs", "bundle"]
OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
"""Levels, as diagnostic_msgs has them."""


class Diagnostics(Protocol):
    """Shows the newest status of each check."""

    def update(self, check: Check, level: bytes, message: str) -> bool:
        """Set level and message of one check; return whether either changed."""
        ...

    def set_values(self, check: Check, values: Mapping[str, object]) -> None:
        """Set the figures of one check."""
        ...


def report_changes(session: ThreadedSession, diagnostics: Diagnostics) -> bool:
    """Renew levels and messages; return whether any changed (then publish)."""
    changed = _control(session, diagnostics)
    changed = _inference(session, diagnostics) or changed
    return _inputs(session, diagnostics) or changed


def report_session(session: ThreadedSession, diagnostics: Diagnostics) -> None:
    """Renew everything, figures included."""
    report_changes(session, diagnostics)
    jitter = session.record.recent_jitter_ms()
    with session.lock:
        motion = session.motion
        figures: dict[str, object] = {
            "mode": motion.mode.value,
            "at_rest": motion.at_rest,
            "realtime": session.realtime,
            "published": session.record.published,
            "late": session.record.late,
            "withdrawn": session.record.withdrawn,
            "latest_ms": session.record.latest_s * 1e3,
            **{f"jitter_ms_{k}": v for k, v in jitter.items()},
            **motion.metrics.as_dict(),
            "clamped": sum(motion.clamped.values()),
            "limited": sum(motion.limited.values()),
            "fault_time_s": "" if motion.fault is None else f"{motion.fault.stamp:.3f}",
            "tracking_ratio": session.supervisor.tracking_ratio,
            "gripper": session.gripper,
            # All of them, always: a plot needs keys that stay.
            **{f"fault_{code.value}": motion.fault_counts[code] for code in FaultCode},
        }
        latency = motion.latency_p95
    diagnostics.set_values("control", figures)
    stages: dict[str, object] = {}
    for name, histogram in list(session.record.histograms.items()):
        stages[f"{name}_ms"] = histogram.last_ms
        stages[f"{name}_histogram_ms"] = histogram.text()
    diagnostics.set_values(
        "inference",
        {
            "worker_pid": session.worker_pid,
            "chunks": session.inference.chunks,
            "latency_p95_s": latency,
            **stages,
        },
    )
    now = session.now()
    cameras, joints = session.buffer.stamps()
    ages: dict[str, object] = {f"age_s_{name}": now - stamp for name, stamp in cameras.items()}
    if joints is not None:
        ages["age_s_joint_states"] = now - joints
    diagnostics.set_values(
        "inputs",
        {
            "instruction": session.buffer.instruction,
            **ages,
            **{f"received_{name}": n for name, n in dict(session.buffer.received).items()},
            **{f"skipped_{reason}": n for reason, n in dict(session.buffer.skipped).items()},
        },
    )


def _control(session: ThreadedSession, diagnostics: Diagnostics) -> bool:
    with session.lock:
        fault, mode = session.motion.fault, session.motion.mode
    if fault is not None:
        return diagnostics.update("control", ERROR, f"{fault.code.value}: {fault.text}")
    if mode is Mode.ARMED and (why := session.buffer.instruction_state.refusal):
        return diagnostics.update("control", WARN, f"{mode.value}: the arm holds: {why}")
    if why := session.lacks_chunks():
        text = f"{mode.value}: no chunk comes that can be used ({why})"
        return diagnostics.update("control", WARN, text)
    return diagnostics.update("control", OK, mode.value)


def _inference(session: ThreadedSession, diagnostics: Diagnostics) -> bool:
    if session.inference.worker_lost:
        return diagnostics.update("inference", ERROR, "the inference process is lost")
    return diagnostics.update("inference", OK, "the inference process is ready")


def _inputs(session: ThreadedSession, diagnostics: Diagnostics) -> bool:
    conditions = session.conditions()
    if conditions:
        code, text = conditions[0]
        more = f" (and {', '.join(c.value for c, _ in conditions[1:])})" if conditions[1:] else ""
        return diagnostics.update("inputs", WARN, f"{code.value}: {text}{more}")
    refusal, warning = session.buffer.instruction_state
    if text := refusal or session.inference.pictures.warning or warning:
        return diagnostics.update("inputs", WARN, text)
    if not session.buffer.instruction:
        if misfit := session.buffer.misfits.get("instruction"):
            return diagnostics.update("inputs", WARN, f"waiting for an instruction: {misfit}")
        return diagnostics.update("inputs", OK, "waiting for an instruction")
    return diagnostics.update("inputs", OK, "fresh")
