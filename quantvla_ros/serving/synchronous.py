# SPDX-License-Identifier: Apache-2.0
"""The choice of frames and a joint state of one instant."""

from __future__ import annotations

import math
from collections.abc import Mapping

from quantvla_ros.serving.input_types import Frame, Gates, JointSample
from quantvla_ros.serving.joint_history import JointHistory

SKEWED = "skewed"
"""Reason when all inputs are fresh and not of one instant."""


def synchronous_set(
    frames: Mapping[str, Frame | None],
    last_refused: Mapping[str, float],
    history: JointHistory,
    now: float,
    gates: Gates,
) -> tuple[dict[str, Frame], JointSample] | str:
    """Choose the newest frame of each camera and the joint state of their time.

    Args:
        frames: newest one of each camera that is wanted.
        last_refused: stamp (s) of the newest frame that could not be used, of some cameras.
        history: of the joints.
        now: ROS clock, s.
        gates: what is fresh, and of one instant.

    Returns:
        The set, or the reason why there is none.
    """
    chosen: dict[str, Frame] = {}
    for camera, frame in frames.items():
        if frame is None:
            return f"no_frame_{camera}"
        if abs(now - frame.stamp) > gates.camera_age:
            return f"old_frame_{camera}"
        if frame.stamp <= last_refused.get(camera, -math.inf):
            return f"refused_frame_{camera}"
        chosen[camera] = frame
    newest = history.newest
    if newest is None:
        return "no_joint_state"
    if abs(now - newest.stamp) > gates.joint_age:
        return "old_joint_state"
    stamps = [frame.stamp for frame in chosen.values()]
    # The policy was trained on pictures and joints of one instant, so the joint state of the
    # frames' time is right, not the newest one.
    joints = history.nearest((min(stamps) + max(stamps)) / 2)
    stamps.append(joints.stamp)
    return SKEWED if max(stamps) - min(stamps) > gates.skew else (chosen, joints)
