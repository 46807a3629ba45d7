# SPDX-License-Identifier: Apache-2.0
"""The bundles that are run, made where they are missing, and what they are run on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from calib_tools.common.progress import Report
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.observation import Observation
from studies.peers.catalogue import LIMITED

LIMITED_W8A8 = "w8a8-limited"
"""As w8a8, made where there is no VNNI: its activations have 7 bits there."""
QUANTIZED: dict[str, tuple[str, ...]] = {
    "w8a8": ("--scheme", "w8a8"),
    "w4a8": ("--scheme", "w4a8"),
    "static": ("--scheme", "w8a8", "--target", "openvino"),
    LIMITED_W8A8: ("--scheme", "w8a8"),
}
"""Bundles made of the float one, and how `quantvla quantize` makes them."""


@dataclass(frozen=True)
class Subject:
    """What is run.

    Attributes:
        bundles: by name: "float" and those of `QUANTIZED`.
        buffer: calibration buffer; None for made-up observations.
    """

    bundles: Mapping[str, Path]
    buffer: Path | None

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        paths = {name: str(path) for name, path in self.bundles.items()}
        return {"bundles": paths, "buffer": None if self.buffer is None else str(self.buffer)}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Subject:
        """What `as_json` gave."""
        paths = {name: Path(path) for name, path in content["bundles"].items()}
        buffer = content["buffer"]
        return Subject(paths, None if buffer is None else Path(buffer))


def calibrated(bundle: Path, buffer: Path, work: Path, report: Report) -> Subject:
    """Of a float bundle and a calibration buffer; what is in `work` already stays.

    Raises:
        QuantVLAError: `quantvla quantize` refused, in its own words.
    """
    # Other tools' graphs lie beside the bundle, so it is copied: the user's folder is not ours.
    copy = work / "float"
    if not copy.exists():
        shutil.copytree(bundle, copy)
    bundles = {"float": copy, **{name: work / name for name in QUANTIZED}}
    for name, options in QUANTIZED.items():
        if not bundles[name].exists():
            report(f"quantizing: {name}")
            limits = LIMITED if name == LIMITED_W8A8 else {}
            _quantvla(limits, "quantize", copy, buffer, *options, "--out", bundles[name])
    return Subject(bundles, buffer)


def random_weights(family: str, work: Path, report: Report) -> Subject:
    """Of a published architecture in its full size; every range is the same, nothing is fitted."""
    from quantvla_ros.quantization.schemes import Precision
    from studies.full_size.run import imported
    from studies.static_bundle import STATIC, save_static_bundle

    source, _ = imported(family, work, report)
    forms: dict[str, tuple[Precision, Literal[7, 8]]] = {
        "w8a8": (Precision(8), 8),
        "w4a8": (Precision(4), 8),
        "static": (STATIC, 8),
        LIMITED_W8A8: (Precision(8), 7),
    }
    bundles = {"float": source, **{name: work / name for name in forms}}
    for name, (precision, bits) in forms.items():
        if not bundles[name].exists():
            report(f"rounding to nearest: {name}")
            save_static_bundle(source, bundles[name], precision=precision, activation_bits=bits)
    return Subject(bundles, None)


def observations(subject: Subject, held_out: bool = True) -> Sequence[Observation]:
    """What the policies see: samples of the buffer, or made up."""
    manifest = load_manifest(subject.bundles["float"])
    if subject.buffer is None:
        from studies.full_size.observations import made_up_observations

        return made_up_observations(manifest, 8)
    from calib_tools.buffer.store import load_buffer

    buffer = load_buffer(subject.buffer, manifest.interface.state.names)
    return buffer.held_out if held_out else buffer.calibration


def _quantvla(limits: Mapping[str, str], *words: object) -> None:
    command = [sys.executable, "-m", "calib_tools.cli", *map(str, words)]
    environment = {**os.environ, **limits}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise QuantVLAError(done.stderr.strip().splitlines()[-1])
