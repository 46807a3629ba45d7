# SPDX-License-Identifier: Apache-2.0
"""What the policy puts out, and the noise it starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest


@dataclass(frozen=True)
class Chunk:
    """A chunk of actions.

    Attributes:
        actions: float64 [horizon, actions], absolute positions in the robot's units; row ``k`` is
            due at ``stamp + (k + 1) * dt``.
        stamp: time of the observation, s.
        timings_ms: milliseconds per stage of the backend; their sum is the whole of it.
        steps_ms: milliseconds of each denoise step, which together are the stage "denoise".
    """

    actions: NDArray[np.float64]
    stamp: float
    timings_ms: dict[str, float]
    steps_ms: tuple[float, ...] = ()


def draw_noise(manifest: BundleManifest, seed: int, counter: int) -> NDArray[np.float32]:
    """Flow noise of one request; the same arguments give the same noise on every machine.

    Args:
        manifest: of the bundle.
        seed: of the run, not negative.
        counter: of the request, not negative.

    Returns:
        float32 [horizon, actions].
    """
    rng = np.random.Generator(np.random.Philox(key=seed, counter=counter))
    shape = (manifest.interface.horizon, len(manifest.interface.action.names))
    noise: NDArray[np.float32] = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.float32(manifest.noise.scale)
    return noise
