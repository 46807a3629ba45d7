# SPDX-License-Identifier: Apache-2.0
"""Action error of variants on buffers that were used neither to calibrate nor to choose.

The held-out samples of a calibration buffer are few, and one on which the float policy itself
wavers decides their mean. Here every variant plays the same samples with the same noise, each
sample's error is kept, and so two variants are compared sample by sample.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.common.output import read_json, write_json
from calib_tools.quantize.command import fitting_buffer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.quantization.motion_errors import Array, error_share, mean_errors, own_spread
from quantvla_ros.whole_file import write_file
from studies.ablation.steps import mean_interval

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import BundleManifest
    from quantvla_ros.robot.observation import Observation

NOTES = "fresh_samples"
_SEED = 20602204

Chunks = NDArray[np.float64]
Show = Callable[[str, float], None]


@dataclass(frozen=True)
class FreshSamples:
    """Samples of other recordings than the calibration buffer."""

    bundle: Path
    samples: list[Observation]
    sha256: str
    out: Path

    @classmethod
    def of(
        cls,
        bundle: Path,
        manifest: BundleManifest,
        calibration: str,
        buffers: Sequence[Path],
        out: Path,
    ) -> FreshSamples:
        """Read the buffers; `calibration` is the sha256 of the one that they must not be.

        Raises:
            QuantVLAError: one is damaged, of another robot, the calibration buffer, or there twice.
        """
        samples, digest, known = [], hashlib.sha256(), {calibration: "is the calibration buffer"}
        for path in buffers:
            buffer = fitting_buffer(bundle, manifest, path)
            if buffer.sha256 in known:
                raise QuantVLAError(
                    f"The buffer '{path}' {known[buffer.sha256]}; give recordings of their own."
                )
            known[buffer.sha256] = "is given twice"
            samples += buffer.samples
            digest.update(buffer.sha256.encode())
        return cls(bundle, samples, digest.hexdigest(), out)

    def errors(self, name: str, path: Path, sha256: str, show: Show) -> list[float]:
        """Mean difference of each sample's chunk from the float policy's, mrad.

        Args:
            name: of the variant, of its note too: what is noted is not computed again.
            path: its bundle, or the file of its fake quantization.
            sha256: of its tensors' file.
            show: called with what is done and its share, 0..1.

        Raises:
            QuantVLAError: the variant cannot be loaded.
        """
        note = self.out / NOTES / f"{name}.json"
        of = {"samples": self.sha256, "network": sha256}
        if note.is_file() and (found := read_json(note))["of"] == of:
            errors: list[float] = found["errors_mrad"]
            return errors
        reference = self._float_chunks(show)[0]
        errors = _differences(reference, self._chunks(path, range(1), show)[0])
        write_json(note, {"of": of, "errors_mrad": errors})
        return errors

    def spread(self, show: Show) -> list[float]:
        """Distance between the float policy's chunks of two noises, mrad."""
        chunks = self._float_chunks(show)
        return _differences(chunks[0], chunks[1])

    def own_spread(self, show: Show) -> Array:
        """What the gate holds errors against, mrad, of each sample."""
        return 1e3 * own_spread(self._float_chunks(show))

    def _float_chunks(self, show: Show) -> Chunks:
        """Chunks [DRAWS, N, horizon, joints], each draw with another noise; made once."""
        from calib_tools.quantize.judging import DRAWS

        file = self.out / NOTES / f"float-{self.sha256[:16]}-{DRAWS}.npy"
        if not file.is_file():
            chunks = self._chunks(self.bundle, range(DRAWS), show)
            content = io.BytesIO()
            np.save(content, chunks)
            write_file(file, content.getvalue())
        return np.asarray(np.load(file), dtype=np.float64)

    def _chunks(self, path: Path, draws: range, show: Show) -> Chunks:
        """Chunks [draws, N, horizon, joints] of the arm: a gripper's command is no angle."""
        from calib_tools.quantize.judging import chunks_of
        from studies.ablation.making import load_made

        policy = load_made(self.bundle, path)
        arm = policy.manifest.interface.action.of_type("arm")
        made = [chunks_of(policy, self._each(show), _SEED + draw) for draw in draws]
        return np.stack(made)[..., arm]

    def _each(self, show: Show) -> Iterator[Observation]:
        for place, sample in enumerate(self.samples):
            show(f"fresh sample {place + 1} of {len(self.samples)}", place / len(self.samples))
            yield sample


def _differences(reference: Chunks, got: Chunks) -> list[float]:
    return [round(1e3 * float(e), 4) for e in mean_errors(reference, got)]


def summarized(errors: Sequence[float], spread: Array) -> dict[str, Any]:
    """What a record keeps of a variant."""
    low, high = mean_interval(errors)
    share = error_share(np.asarray(errors), spread, 1e3 * load_thresholds().spread_floor)
    return {
        "error_share": round(share, 4),
        "mean_mrad": round(float(np.mean(errors)), 4),
        "mean_interval_95_mrad": [round(low, 4), round(high, 4)],
        "median_mrad": round(float(np.median(errors)), 4),
        "p95_mrad": round(float(np.quantile(errors, 0.95)), 4),
        "errors_mrad": list(errors),
    }
