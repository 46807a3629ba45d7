# SPDX-License-Identifier: Apache-2.0
"""Statistics of the calibration buffer, written into the quantized bundle."""

from __future__ import annotations

from collections.abc import Sequence

from quantvla_ros.bundle.calibration import Calibration
from quantvla_ros.processing.pictures import camera_statistics
from quantvla_ros.robot.observation import Observation


def calibration_record(samples: Sequence[Observation]) -> Calibration:
    """List the instructions and measure the pictures of a buffer, held-out samples included."""
    cameras = samples[0].images
    return Calibration(
        instructions=sorted({sample.instruction for sample in samples}),
        cameras={
            name: camera_statistics([sample.images[name] for sample in samples])
            for name in sorted(cameras)
        },
    )
