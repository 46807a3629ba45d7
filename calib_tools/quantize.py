# SPDX-License-Identifier: Apache-2.0
"""`quantvla quantize`: a float bundle and a calibration buffer to a quantized bundle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calib_tools.buffer.store import load_buffer
from calib_tools.progress import Bar
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.observation import Observation, check_observation, state_vector
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import CalibrationBufferError, QuantVLAError

if TYPE_CHECKING:
    from calib_tools.recipe import Recipe
    from quantvla_ros.bundle.schema import BundleManifest, GateRecord

FARTHEST = 10.0  # standard deviations that a joint of the same robot may lie off, on average


def quantize(
    bundle: Path, buffer: Path, recipe: Recipe, out: Path, force: bool, ray: str | None = None
) -> GateRecord:
    """Quantize and judge; return the judgement.

    Raises:
        QuantVLAError: bundle, buffer, recipe or output cannot be used.
    """
    recipe.check(ray)
    prepare_output(out, force)
    manifest = load_manifest(bundle)
    samples = load_buffer(buffer, manifest.interface.state.names)
    check_robot(manifest, samples.samples, buffer)
    from calib_tools.quantizing import quantize_bundle

    left = TimeLeft()
    with Bar("quantizing", 1.0) as bar:
        result = quantize_bundle(
            bundle,
            samples.calibration,
            samples.held_out,
            samples.sha256,
            recipe,
            out,
            force,
            ray,
            lambda text, done: bar.show(done, f"{text}{left.after(done, time.monotonic())}"),
        )
    return result.gate


class TimeLeft:
    """Guesses the time left from the share done since the start."""

    def __init__(self) -> None:
        self._start: tuple[float, float] | None = None

    def after(self, share: float, now: float) -> str:
        """Words for it, with a leading comma; nothing before there is a ground for a guess.

        Args:
            share: of the work that is done, 0..1.
            now: s.
        """
        if self._start is None:
            self._start = (share, now)
        done, seconds = share - self._start[0], now - self._start[1]
        if share >= 1.0 or done < 0.02:
            return ""
        left = seconds / done * (1.0 - share)
        return f", {left:.0f} s left" if left < 120 else f", {left / 60:.0f} min left"


def check_robot(manifest: BundleManifest, samples: Sequence[Observation], buffer: Path) -> None:
    """Refuse a buffer that another robot recorded.

    Raises:
        CalibrationBufferError: a camera is missing or of another size, or a joint lies far from
            where the policy was trained.
    """
    interface, norm = manifest.interface, manifest.normalization
    try:
        check_observation(interface, samples[0])
    except QuantVLAError as error:
        raise CalibrationBufferError(
            f"the buffer '{buffer}' is not of this policy's robot: {error}"
        ) from error
    states = np.stack([state_vector(interface, sample.joints) for sample in samples])
    distance = np.abs((states - np.asarray(norm.state_mean)) / np.asarray(norm.state_std)).mean(0)
    names = interface.state.names
    worst = int(distance[: len(names)].argmax())
    if not distance[worst] <= FARTHEST:
        raise CalibrationBufferError(
            f"the buffer '{buffer}' is not of this policy's robot: joint '{names[worst]}' lies "
            f"{distance[worst]:.0f} standard deviations from where the policy was trained; check "
            "the joint's unit, or record a buffer on the robot of the policy"
        )
