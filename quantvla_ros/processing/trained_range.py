# SPDX-License-Identifier: Apache-2.0
"""How far joints are from where a policy was trained, by the normalization of its bundle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.robot.units import Units

FARTHEST = 10.0
"""Standard deviations from the mean within which each joint of the policy's own robot lies: on
average in a calibration buffer, always under the policy node."""


class TrainedRange:
    """Mean and standard deviation of each joint in the policy's data, in the policy's units.

    Attributes:
        state: names, units and maps of the n joints.
        mean: [n]; zero of a joint that the policy is not told.
        std: [n], above zero; infinite of such a joint.
    """

    def __init__(self, manifest: BundleManifest) -> None:
        """Take them from a bundle."""
        norm, self.state = manifest.normalization, manifest.interface.state
        places = self.state.places
        self.mean = np.array([0.0 if at is None else norm.state_mean[at] for at in places])
        self.std = np.array([np.inf if at is None else norm.state_std[at] for at in places])

    @property
    def mean_si(self) -> NDArray[np.float64]:
        """The mean [n], rad or m."""
        return Units.of(self.state.entries).to_si(self.mean)

    def deviations(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distances of joints [..., n], rad or m, from the mean, in standard deviations."""
        distances: NDArray[np.float64] = np.abs((self.state.from_si(joints) - self.mean) / self.std)
        return distances

    def told(self, joints: NDArray[np.floating], joint: int, most: float) -> str:
        """Where one of the joints [n], rad or m, is and where it was in training, in its unit."""
        entry = self.state.entries[joint]
        measured = self.state.from_si(joints)[joint]
        low, high = self.mean[joint] + np.array([-most, most]) * self.std[joint]
        return (
            f"joint '{entry.name}' is measured at {entry.shown(measured)}, the policy was trained "
            f"between {low:.2f} and {entry.shown(high)} ({most:g} standard deviations)"
        )
