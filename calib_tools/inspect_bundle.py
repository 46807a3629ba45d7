# SPDX-License-Identifier: Apache-2.0
"""`quantvla inspect`: what is inside a bundle, without loading its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.bundle.tensors import tensor_header


def inspect_bundle(path: Path) -> dict[str, Any]:
    """Read and check a bundle; return its content as plain values.

    Raises:
        BundleError: the bundle is damaged or of an unknown schema.
    """
    manifest = load_manifest(path, check_files=True)
    interface = manifest.interface
    quantization = manifest.quantization
    return {
        "path": str(path),
        "sha256": bundle_hash(path),
        "family": manifest.family,
        "architecture": manifest.architecture,
        "cameras": {c.name: f"{c.width}x{c.height} {c.encoding}" for c in interface.cameras},
        "state": interface.state.names,
        "tip": interface.state.kinematics.tip if interface.state.kinematics else None,
        "action": {"kind": interface.action.kind, "names": interface.action.names},
        "dt_s": interface.dt,
        "horizon": interface.horizon,
        "denoise_steps": manifest.denoise_steps,
        "files": {name: (path / name).stat().st_size for name in manifest.files},
        "tensors": _tensor_bytes(path),
        "quantization": None
        if quantization is None
        else {
            "scheme": quantization.scheme,
            "layout": quantization.layout,
            "activation_bits": quantization.activation_bits,
            "corrections_kept": quantization.kept,
            "calibration_sha256": quantization.calibration_sha256,
            "layers": _layers_by_role(quantization.layers),
        },
        "calibration": manifest.calibration.model_dump() if manifest.calibration else None,
        "gate": manifest.gate.model_dump() if manifest.gate else None,
    }


def _layers_by_role(layers: list[Any]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for layer in layers:
        row = rows.setdefault(
            (layer.role, layer.precision),
            {"role": layer.role, "precision": layer.precision, "layers": 0, "weights": 0},
        )
        row["layers"] += 1
        row["weights"] += layer.rows * layer.cols
    return list(rows.values())


def _tensor_bytes(path: Path) -> dict[str, int]:
    """Bytes on disk by number format, from the header of the safetensors file."""
    totals: dict[str, int] = {}
    for entry in tensor_header(path).values():
        begin, end = entry["data_offsets"]
        totals[entry["dtype"]] = totals.get(entry["dtype"], 0) + end - begin
    return totals
