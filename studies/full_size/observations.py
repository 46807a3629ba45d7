# SPDX-License-Identifier: Apache-2.0
"""Observations that nobody made, for a bundle of any family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.processing.trained_range import TrainedRange
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.units import Units

_SIZE = (480, 640)
_INSTRUCTIONS = ("pick up the red cube", "put the cube into the bowl", "open the drawer")


def made_up_observations(manifest: BundleManifest, count: int) -> list[Observation]:
    """Pictures of coloured squares, and joints within a deviation of the mean of training.

    Args:
        manifest: of the policy.
        count: of the observations.
    """
    rng = np.random.default_rng(0)
    state, trained = manifest.interface.state, TrainedRange(manifest)

    def one(index: int) -> Observation:
        off = rng.uniform(-1.0, 1.0, len(state.names)) * trained.std
        return Observation(
            images={camera.name: _picture(rng) for camera in manifest.interface.cameras},
            joints=Units.of(state.entries).to_si(trained.mean + off).astype(np.float32),
            instruction=_INSTRUCTIONS[index % len(_INSTRUCTIONS)],
            stamp=float(index),
        )

    return [one(index) for index in range(count)]


def _picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Coloured squares with some noise."""
    rows, columns = _SIZE
    squares = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = np.kron(squares, np.ones((rows // 6, columns // 8, 1), np.uint8))
    noisy = picture.astype(np.int16) + rng.integers(-8, 9, picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)
