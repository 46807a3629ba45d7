# SPDX-License-Identifier: Apache-2.0
"""A policy in the test's own process that asks the bundled policy's robot to stay."""

from __future__ import annotations

import numpy as np

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.chunk import Chunk

PANDA = shared_file("policies/panda")


class Holding:
    """Asks the arm to stay where it was seen, the first joint `offset` rad away from there."""

    def __init__(self, offset: float = 0.0):
        self.manifest = load_manifest(PANDA)
        self.offset = offset
        self.asked: list[tuple[float, str, np.ndarray]] = []
        self.prefixes = []

    def infer(self, observation, noise, prefix=None):
        self.asked.append((observation.stamp, observation.instruction, noise))
        self.prefixes.append(prefix)
        horizon = self.manifest.interface.horizon
        actions = np.tile(observation.joints.astype(float), (horizon, 1))
        actions[:, 0] += self.offset
        return Chunk(actions, observation.stamp, {})
