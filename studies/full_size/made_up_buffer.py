# SPDX-License-Identifier: Apache-2.0
"""A calibration buffer of pictures and joints that nobody saw, for a bundle of any family."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from calib_tools.buffer.collector import Counts, Sample
from calib_tools.buffer.sources import (
    INSTRUCTION,
    JOINTS,
    CalibrationConfig,
    CameraSource,
    JointSource,
)
from calib_tools.buffer.store import write_buffer
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.processing.trained_range import TrainedRange
from quantvla_ros.robot.action_space import to_si

_BETWEEN_NS = 100_000_000
_SIZE = (240, 320)
_INSTRUCTIONS = ("pick up the red cube", "put the cube into the bowl", "open the drawer")


def write_made_up_buffer(path: Path, manifest: BundleManifest, count: int, seed: int = 0) -> None:
    """Write a buffer of so many samples; joints are where the policy's data was.

    Args:
        path: directory to write.
        manifest: of the policy.
        count: samples.
        seed: of all numbers.
    """
    rng = np.random.default_rng(seed)
    interface = manifest.interface
    names = interface.state.names
    trained = TrainedRange(manifest)
    config = CalibrationConfig(
        cameras={c.name: CameraSource(topic=f"/{c.name}/image_raw") for c in interface.cameras},
        joint_states=JointSource(names=names),
    )
    samples = []
    for index in range(count):
        now = (index + 1) * _BETWEEN_NS
        policy_units = trained.mean + rng.uniform(-1.0, 1.0, len(names)) * trained.std
        sources = (*config.cameras, JOINTS, INSTRUCTION)
        samples.append(
            Sample(
                stamp_ns=now,
                pictures={camera: _picture(rng) for camera in config.cameras},
                position=to_si(interface.state.entries, policy_units),
                velocity=np.zeros(len(names)),
                instruction=_INSTRUCTIONS[index % len(_INSTRUCTIONS)],
                stamps_ns=dict.fromkeys(sources, now),
            )
        )
    counts = Counts(groups=count, rejected={}, near_duplicates=0, surplus=0)
    write_buffer(path, config, samples, counts, ["made up"])


def _picture(rng: np.random.Generator) -> bytes:
    """Coloured squares with some noise, as PNG."""
    rows, columns = _SIZE
    squares = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = np.kron(squares, np.ones((rows // 6, columns // 8, 1), np.uint8))
    noisy = picture.astype(int) + rng.integers(-8, 9, picture.shape)
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()
