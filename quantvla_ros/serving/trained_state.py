# SPDX-License-Identifier: Apache-2.0
"""The measured joints as the policy knows them: in its turn, and within what it was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.turns import nearest_turn
from quantvla_ros.processing.trained_range import TrainedRange


class TrainedState:
    """Joins a bundle's normalization with the continuous joints of the robot."""

    def __init__(self, manifest: BundleManifest, continuous: NDArray[np.bool_]) -> None:
        """Take the bundle, and which of its n observed joints are continuous."""
        self._range = TrainedRange(manifest)
        self._continuous = continuous
        observed = self._range.state.names
        commanded = manifest.interface.action.names
        self._order = [observed.index(name) if name in observed else 0 for name in commanded]
        self._turns = np.array(
            [name in observed and continuous[observed.index(name)] for name in commanded]
        )

    def seen(self, positions: FloatArray) -> FloatArray:
        """Positions [n] with each continuous joint in the turn nearest to its training."""
        return nearest_turn(positions, self._range.mean_si, self._continuous)

    def rows(self, actions: FloatArray, seen: FloatArray) -> FloatArray:
        """Actions [K, m] of the robot, all in the turn in which the policy has ``seen`` [n] it."""
        first = actions[:1]
        shift = nearest_turn(first, seen[self._order], self._turns) - first
        return actions + shift

    def outside(self, positions: FloatArray, most: float) -> Condition | None:
        """Return the joint that is measured [n] furthest outside what the policy was trained on.

        ``most``: standard deviations from the mean that are allowed.
        """
        known = self.seen(positions)
        deviations = self._range.deviations(known)
        joint = int(deviations.argmax())
        if deviations[joint] <= most:
            return None
        return FaultCode.STATE_OUT_OF_RANGE, self._range.told(known, joint, most)
