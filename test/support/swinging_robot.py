# SPDX-License-Identifier: Apache-2.0
"""A robot that is never twice the same, and a calibration buffer that is recorded of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from support.fake_robot import JOINTS, FakeRobot

from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
from calib_tools.record.live import record


class Pictures:
    """Another picture at every look, of another size and aspect than any policy's."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def get(self, name, otherwise):
        return self._rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)


class SwingingRobot(FakeRobot):
    """Its cameras always show something else, and its encoders say that it swings once told to."""

    def __init__(self, joints=JOINTS, commanded=None) -> None:
        """Begin; only the first joints are commanded, as many as `commanded` names (all)."""
        self.joints, self.arm = tuple(joints), tuple(commanded or joints)
        super().__init__()

    def heal(self) -> None:
        super().heal()
        self.pictures = Pictures()

    def swing(self) -> None:
        phases = np.linspace(1.0, 2.0, len(self.joints))
        self.measure = lambda at: at + 0.3 * np.sin(time.monotonic() * phases)

    def _sample(self, now):
        positions, velocities = super()._sample(now)
        still = len(self.joints) - len(self.arm)
        return np.append(positions, [0.1] * still), np.append(velocities, [0.0] * still)


def recorded(
    path: Path,
    bundle: Path,
    topics: Mapping[str, str],
    joints=JOINTS,
    commanded=None,
    first_message_timeout_s: float = 10.0,
) -> Path:
    """A buffer of 36 observations from live topics.

    Args:
        path: where it is written.
        bundle: of the policy that it is for.
        topics: of pictures, by the policy's name of the camera; nobody needs to publish those that
            the policy can do without.
        joints: of the robot, see `SwingingRobot`.
        commanded: the same.
        first_message_timeout_s: longest wait for a picture.
    """
    config = CalibrationConfig(
        cameras={name: CameraSource(topic=at, max_age_s=5.0) for name, at in topics.items()},
        first_message_timeout_s=first_message_timeout_s,
        joint_states=JointSource(names=list(joints), max_age_s=5.0),
        candidates_per_sample=1.0,
    )
    robot = SwingingRobot(joints, commanded)
    robot.swing()
    try:
        record(config, path, 36, 120.0, force=False, bundle=bundle)
    finally:
        robot.close()
    return path
