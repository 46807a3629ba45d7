# SPDX-License-Identifier: Apache-2.0
"""What came of one episode."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Grounding = Literal["told", "other", "none"]


def grounding(told: str, first_moved: str | None) -> Grounding:
    """Whether the arm first moved the object that it was told to, another one, or none."""
    if first_moved is None:
        return "none"
    return "told" if first_moved == told else "other"


@dataclass(frozen=True)
class Outcome:
    """Figures of one played episode; None where the way of playing does not give one.

    Attributes:
        instruction: the sentence.
        success: judged from the simulation's state, within the time.
        seconds: simulation time until success, a fault or the end.
        grounding: what the arm moved first.
        first_moved: the name of that.
        chunks: inferences asked for.
        fault: code of the fault that ended it.
        path_rad: way of the arm's joints, rad: the norm of their movement summed over 20 ms steps.
        jerk_rad_s3: root mean square jerk of the arm's joints (see `smoothness`).
        boundary_jump: largest step of the command where chunks switched, rad or m.
        chunk_gap: largest disagreement of old and new chunk where they switched, rad or m.
        clamped: control ticks at which a joint's path left the position limits.
        limited: control ticks at which a joint's path asked for more than the limits allow.
    """

    instruction: str
    success: bool
    seconds: float
    grounding: Grounding
    first_moved: str | None
    chunks: int | None
    fault: str | None
    path_rad: float
    jerk_rad_s3: float | None
    boundary_jump: float | None
    chunk_gap: float | None
    clamped: int | None
    limited: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
