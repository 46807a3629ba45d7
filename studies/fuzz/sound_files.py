# SPDX-License-Identifier: Apache-2.0
"""Small sound bundles and a small sound buffer, made of random numbers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from quantvla_ros.robot.observation import Observation
from studies.random_policy import JOINTS, SMOLVLA_SIZED, random_observations, save_random_bundle

_SIZE = 32
_SAMPLES = 16  # of calibration
_GROUPS = 40  # in the buffer; as a bag it must hold more than are selected
_TINY = SMOLVLA_SIZED.model_copy(
    update={
        "vocabulary": 66, "image_size": _SIZE, "horizon": 4, "width": 32, "layers": 2, "heads": 2,
        "kv_heads": 1, "head_width": 16, "mlp": 64, "expert_width": 32, "expert_mlp": 64,
        "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "stem_channels": (8, 8),
    }
)  # fmt: skip


def observation() -> Observation:
    """One that fits the bundles."""
    return random_observations(1, _SIZE)[0]


def write_bundles(directory: Path) -> None:
    """Write `float` and, quantized from it, `int4`."""
    from calib_tools.quantize.quantizing import quantize_bundle
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.quantization.gate import load_thresholds

    save_random_bundle(directory / "float", _TINY)
    samples = random_observations(_SAMPLES + load_thresholds().samples, _SIZE)
    quantize_bundle(
        directory / "float",
        samples[:_SAMPLES],
        samples[_SAMPLES:],
        "random".ljust(64, "0"),
        Recipe(scheme="w4a8", rounding="rtn"),
        directory / "int4",
        False,
        None,
        lambda text, share: None,
    )


def write_buffer_of_noise(path: Path) -> None:
    """Write a calibration buffer of one camera with random pictures."""
    from PIL import Image

    from calib_tools.buffer.collector import Counts, Sample
    from calib_tools.buffer.sources import JOINTS as JOINT_STATES
    from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
    from calib_tools.buffer.store import write_buffer

    config = CalibrationConfig(
        cameras={"front": CameraSource(topic="/front/image_raw")},
        joint_states=JointSource(names=JOINTS[:3]),
    )
    rng = np.random.default_rng(0)
    samples = []
    for number in range(_GROUPS):
        png = io.BytesIO()
        pixels = rng.integers(0, 256, (_SIZE, _SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(png, "PNG")
        stamp = 1_000_000_000 * (number + 1)
        samples.append(
            Sample(
                stamp_ns=stamp,
                stamps_ns={"front": stamp, JOINT_STATES: stamp},
                pictures={"front": png.getvalue()},
                position=rng.normal(size=3),
                velocity=rng.normal(size=3),
                instruction="put the milk in the basket",
            )
        )
    counts = Counts(groups=_GROUPS, rejected={}, near_duplicates=0, surplus=0)
    write_buffer(path, config, samples, counts, ["random"])
