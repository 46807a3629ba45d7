# SPDX-License-Identifier: Apache-2.0
"""`quantvla quantize`: a float bundle and a calibration buffer to an INT8 bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calib_tools.buffer.store import load_buffer
from calib_tools.progress import Bar
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.quantization.layouts import check_scheme, select_layers

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import GateRecord


def quantize(
    bundle: Path, buffer: Path, scheme: str, layout: str, out: Path, force: bool
) -> GateRecord:
    """Quantize and judge; return the judgement.

    Raises:
        QuantVLAError: bundle, buffer, scheme, layout or output cannot be used.
    """
    check_scheme(scheme)
    select_layers({}, layout)
    prepare_output(out, force)
    manifest = load_manifest(bundle)
    samples = load_buffer(buffer, manifest.interface.state.names)
    from calib_tools.quantizing import quantize_bundle

    with Bar("quantizing", 1.0) as bar:
        result = quantize_bundle(
            bundle,
            samples.calibration,
            samples.held_out,
            samples.sha256,
            scheme,
            layout,
            out,
            force,
            lambda text, done: bar.show(done, text),
        )
    return result.gate
