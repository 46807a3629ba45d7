# SPDX-License-Identifier: Apache-2.0
"""Modes of the motion controller and the figures that tune it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import Enum

from quantvla_ros.errors import QuantVLAError


class Mode(str, Enum):
    """What the controller does; the value is the name shown in diagnostics."""

    INACTIVE = "INACTIVE"
    DRY_RUN = "DRY_RUN"
    ARMED = "ARMED"
    STOPPING = "STOPPING"
    FAULT = "FAULT"


@dataclass(frozen=True)
class MotionConfig:
    """Times in s.

    Attributes:
        transport_margin_s: time from publishing a window until the controller surely has it, by a
            clock that may differ.
        lookahead_s: how far ahead the reference joins the path.
        window_s: how long a window follows the path before its stop begins; a node that is silent
            for less does not disturb the motion.
        blend_s: crossfade from one chunk to the next, and from the measured position when arming.
        stop_s: time in which a stop slows the path's clock to zero (half as much path is covered);
            up to twice as long if the limits ask for it.
        execute_steps: points of a chunk to execute before the next chunk takes over.
        request_margin_s: how much earlier than its latency a chunk is asked for.
        initial_latency_s: latency assumed before one was measured.
        joint_state_age_s: oldest joint state to begin from when arming.
        rest_velocity_share: share of a joint's velocity limit below which it counts as resting
            when arming.

    Raises:
        QuantVLAError: a figure is out of range.
    """

    transport_margin_s: float = 0.01
    lookahead_s: float = 0.1
    window_s: float = 0.2
    blend_s: float = 0.2
    stop_s: float = 0.3
    execute_steps: int = 8
    request_margin_s: float = 0.06
    initial_latency_s: float = 0.3
    joint_state_age_s: float = 0.5
    rest_velocity_share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse figures that no motion can be made of."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise QuantVLAError(f"parameter '{field.name}' is {value}; it must be above zero")
        if self.window_s <= self.lookahead_s:
            raise QuantVLAError(
                f"parameter 'window_s' ({self.window_s}) must be above 'lookahead_s' "
                f"({self.lookahead_s})"
            )
