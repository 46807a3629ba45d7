# SPDX-License-Identifier: Apache-2.0
"""Names of everything that stops the arm, and the record of one stop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultCode(str, Enum):
    """Why the arm was stopped; the value is the name shown in diagnostics."""

    STALE_CAMERA = "STALE_CAMERA"
    STALE_JOINT_STATE = "STALE_JOINT_STATE"
    SKEWED_INPUTS = "SKEWED_INPUTS"
    CLOCK_JUMP = "CLOCK_JUMP"
    NONFINITE_ACTION = "NONFINITE_ACTION"
    LIMIT_VIOLATION = "LIMIT_VIOLATION"
    CHUNK_UNDERRUN = "CHUNK_UNDERRUN"
    INFERENCE_TIMEOUT = "INFERENCE_TIMEOUT"
    WORKER_DIED = "WORKER_DIED"
    BACKEND_ERROR = "BACKEND_ERROR"
    TRACKING_ERROR = "TRACKING_ERROR"
    OUTPUT_CONFLICT = "OUTPUT_CONFLICT"


@dataclass(frozen=True)
class Fault:
    """A latched fault: what, one sentence for the user, and when (s, ROS clock)."""

    code: FaultCode
    text: str
    stamp: float
