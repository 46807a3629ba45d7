# SPDX-License-Identifier: Apache-2.0
"""The noise that a policy's flow starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest


def draw_noise(manifest: BundleManifest, seed: int, counter: int) -> NDArray[np.float32]:
    """Flow noise of one request; the same arguments give the same noise on every machine.

    Args:
        manifest: of the bundle.
        seed: of the run, not negative.
        counter: of the request, not negative.

    Returns:
        float32 [rows, width], what the network takes (see `BundleManifest.noise_shape`).
    """
    rng = np.random.Generator(np.random.Philox(key=seed, counter=counter))
    noise: NDArray[np.float32] = rng.standard_normal(manifest.noise_shape, dtype=np.float32)
    noise *= np.float32(manifest.noise.scale)
    return noise
