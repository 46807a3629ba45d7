# SPDX-License-Identifier: Apache-2.0
"""An arm of six joints, a hand, and a joint that is only observed, all counted in rad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CAMERAS = ("front", "wrist")
JOINTS = (*(f"joint_{i}" for i in range(6)), "gripper", "passive")
COMMANDED = JOINTS[:7]


def description(slots: Sequence[str] = CAMERAS, joints: Sequence[str] = JOINTS) -> dict[str, Any]:
    """A robot.yaml.

    Args:
        slots: the policy's names of both cameras.
        joints: that it has, in the state's order; at least those that are commanded.
    """
    limits = {"max_acceleration": 10.0, "max_jerk": 300.0}
    groups = {"arm": ("arm", joints[:6]), "hand": ("gripper", joints[6:])}
    return {
        "name": "seven",
        "limits_from": "made up",
        "cameras": {s: f"{name}/image_raw" for s, name in zip(slots, CAMERAS, strict=True)},
        "groups": {
            name: {"type": kind, "joints": {joint: dict(limits) for joint in those}}
            for name, (kind, those) in groups.items()
        },
        "state": list(joints),
        "action": list(COMMANDED),
    }
