# SPDX-License-Identifier: Apache-2.0
"""`quantvla quantize`: a float bundle and a calibration buffer to a quantized bundle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.instructions import check_instructions, refusal_for
from calib_tools.buffer.store import CalibrationBuffer, load_buffer
from calib_tools.common.progress import Bar
from calib_tools.common.stopping import goes_on
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import CalibrationBufferError, QuantVLAError
from quantvla_ros.processing.trained_range import FARTHEST, TrainedRange
from quantvla_ros.robot.observation import Observation, check_observation

if TYPE_CHECKING:
    from calib_tools.quantize.quantization_run import Samples
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.bundle.schema import BundleManifest, GateRecord

Values = NDArray[np.floating]

SMALLEST = 1 / 20  # of the size of the policy's values that most joints of the same robot have


@goes_on()
def quantize(
    bundle: Path,
    buffer: Path,
    recipe: Recipe,
    out: Path,
    force: bool,
    ray: str | None = None,
    samples: int | None = None,
) -> GateRecord:
    """Quantize and judge; return the judgement.

    Args:
        bundle: float.
        buffer: of calibration.
        recipe: how.
        out: directory of the new bundle.
        force: replace `out` when it exists.
        ray: cluster that a search is spread over.
        samples: of the buffer that calibrate, at most; None takes all.

    Raises:
        QuantVLAError: bundle, buffer, recipe or output cannot be used.
    """
    recipe = recipe.checked(ray)
    prepare_output(out, force)
    manifest = load_manifest(bundle)
    data = thinned(fitting_buffer(bundle, manifest, buffer), samples)
    from calib_tools.quantize.quantizing import quantize_bundle

    left = TimeLeft()
    with Bar("quantizing", 1.0) as bar:
        result = quantize_bundle(
            bundle,
            data,
            recipe,
            out,
            force,
            ray,
            lambda text, done: bar.show(done, f"{text}{left.after(done, time.monotonic())}"),
        )
    return result.gate


def thinned(buffer: CalibrationBuffer, count: int | None) -> Samples:
    """The buffer's samples with at most `count` of those that calibrate, spread over its time.

    The held-out ones judge, whatever calibrates.
    """
    from calib_tools.quantize.quantization_run import Samples

    chosen = buffer.calibration
    if count is not None and count < len(chosen):
        places = np.linspace(0, len(chosen) - 1, count).round().astype(int)
        chosen = [chosen[place] for place in places]
    return Samples(chosen, buffer.held_out, buffer.sha256)


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


def fitting_buffer(bundle: Path, manifest: BundleManifest, path: Path) -> CalibrationBuffer:
    """Read a buffer, unless another robot recorded it or the policy cannot know its instructions.

    Raises:
        CalibrationBufferError: it cannot be read, a camera is missing or of another size, a joint
            lies far from where the policy was trained, most joints hardly leave zero and the
            policy's did, or an instruction is of other words or too long.
        BundleError: the bundle's tokenizer cannot be read.
    """
    buffer = load_buffer(path, manifest.interface.state.names)
    check_robot(manifest, buffer.samples, path)
    check_instructions(refusal_for(bundle, manifest), buffer.samples, path)
    return buffer


def check_robot(manifest: BundleManifest, samples: Sequence[Observation], buffer: Path) -> None:
    """Refuse samples that another robot recorded; `fitting_buffer` says by what."""
    try:
        check_observation(manifest.interface, samples[0])
    except QuantVLAError as error:
        raise CalibrationBufferError(
            f"the buffer '{buffer}' is not of this policy's robot: {error}"
        ) from error
    trained = TrainedRange(manifest)
    joints = np.stack([sample.joints for sample in samples])
    distance = trained.deviations(joints).mean(0)
    worst = int(distance.argmax())
    if not distance[worst] <= FARTHEST:
        raise CalibrationBufferError(
            f"the buffer '{buffer}' is not of this policy's robot: joint "
            f"'{trained.state.names[worst]}' lies {distance[worst]:.0f} standard deviations from "
            "where the policy was trained; check the joint's unit, or record a buffer on the "
            "robot of the policy"
        )
    # What a policy is told by the tip's pose has no spread of its own.
    told = np.flatnonzero(np.isfinite(trained.std))
    if len(told):
        names = [trained.state.names[place] for place in told]
        counted = trained.state.from_si(joints)[:, told]
        _check_size(names, counted, np.hypot(trained.mean, trained.std)[told], buffer)


def _check_size(names: Sequence[str], joints: Values, wanted: Values, buffer: Path) -> None:
    """Refuse joints in a unit larger than the policy's, as rad for degrees.

    Args:
        names: of the joints.
        joints: their positions in the policy's units, [N, joints].
        wanted: root mean square of each in the policy's data.
        buffer: for the error.
    """
    # Such a unit shrinks spread and mean alike, towards zero, so the size from zero is compared
    # and not the spread: a robot that hardly moves keeps the size of where it stands, and one
    # sample of 400 at a usual place is enough. A few joints may rest at zero; if most do in every
    # sample, the buffer shows nothing of what the policy does, whatever the reason.
    size = np.sqrt(np.square(joints, dtype=np.float64).mean(0))
    share = size / wanted
    if np.median(share) >= SMALLEST:
        return
    least = int(share.argmin())
    raise CalibrationBufferError(
        f"the buffer '{buffer}' is not of this policy's robot: most joints stay near zero, "
        f"'{names[least]}' at {size[least]:.2g} where the policy was trained at "
        f"{wanted[least]:.2g}; check the joints' unit, or record a buffer in which the robot of "
        "the policy moves"
    )
