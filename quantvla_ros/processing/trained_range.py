# SPDX-License-Identifier: Apache-2.0
"""How far joints are from where a policy was trained, by the normalization of its bundle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest

FARTHEST = 10.0
"""Standard deviations from the mean within which each joint of the policy's own robot lies: on
average in a calibration buffer, always under the policy node."""


class TrainedRange:
    """Mean and standard deviation of each joint in the policy's data.

    Attributes:
        names: of the n joints, in the order of the state.
        mean: [n], rad or m.
        std: [n], rad or m, above zero.
    """

    def __init__(self, manifest: BundleManifest) -> None:
        """Take them from a bundle."""
        norm = manifest.normalization
        self.names = tuple(manifest.interface.state.names)
        count = len(self.names)  # the tip's position may follow
        self.mean = np.asarray(norm.state_mean, np.float64)[:count]
        self.std = np.asarray(norm.state_std, np.float64)[:count]

    def deviations(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distances of joints [..., n] from the mean, in standard deviations."""
        distances: NDArray[np.float64] = np.abs((joints - self.mean) / self.std)
        return distances
