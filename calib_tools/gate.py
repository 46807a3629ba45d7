# SPDX-License-Identifier: Apache-2.0
"""`quantvla gate`: an INT8 bundle judged against its float bundle on held-out samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calib_tools.quantize.command import fitting_buffer
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.bundle.manifest_file import MANIFEST, write_manifest
from quantvla_ros.bundle.storage import load_manifest

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import GateRecord


def gate(
    quantized: Path,
    bundle: Path,
    buffer: Path,
    write: bool = False,
    backend: str | None = None,
    resident: str = "all",
) -> GateRecord:
    """Judge again with the package's thresholds, on this machine.

    Args:
        quantized: INT8 bundle.
        bundle: its float bundle.
        buffer: calibration buffer.
        write: put the judgement into the INT8 bundle, in place of the one it has.
        backend: what computes it; None for the one that the bundle was judged on.
        resident: see `backends.base.Options`.

    Raises:
        QuantVLAError: a bundle or the buffer cannot be used.
    """
    if write:
        check_writable(quantized / MANIFEST)
    manifest = load_manifest(quantized)
    backend = backend or (manifest.gate.backend if manifest.gate else DEFAULT)
    find_backend(backend).check_built(quantized)
    samples = fitting_buffer(quantized, manifest, buffer)
    from calib_tools.quantize.judging import judge_bundles

    judged = judge_bundles(bundle, quantized, samples.held_out, backend=backend, resident=resident)
    if write:
        write_manifest(quantized, manifest.model_copy(update={"gate": judged}))
    return judged
