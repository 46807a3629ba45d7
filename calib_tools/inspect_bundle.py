# SPDX-License-Identifier: Apache-2.0
"""`quantvla inspect`: what is inside a bundle, without loading its network."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from calib_tools.common.tables import add_row, listed_corrections, new_table
from calib_tools.import_.table import show_contract
from quantvla_ros.bundle.contract import Contract
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.bundle.tensors import tensor_header
from quantvla_ros.robot.action_space import ActionGroup, ActionSpace


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
        "cameras": {c.name: f"{c.width}x{c.height}" for c in interface.cameras},
        "state": {e.name: e.unit for e in interface.state.entries},
        "tip": interface.state.kinematics.tip if interface.state.kinematics else None,
        "action": [_group(interface.action, group) for group in interface.action.groups],
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
            "corrections_kept": quantization.corrections_kept,
            "calibration_sha256": quantization.calibration_sha256,
            "layers": _layers_by_role(quantization.layers),
        },
        "calibration": manifest.calibration.model_dump() if manifest.calibration else None,
        "gate": manifest.gate.model_dump() if manifest.gate else None,
        "contract": manifest.contract.model_dump() if manifest.contract else None,
    }


def _group(action: ActionSpace, group: ActionGroup) -> dict[str, Any]:
    members = [e for e in action.entries if e.group == group.name]
    return vars(group) | {"entries": {e.name: e.unit for e in members}}


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


def show_inspection(found: dict[str, Any]) -> None:
    """Print what is inside a bundle."""
    console = Console()
    table = new_table(f"Bundle {escape(found['path'])}", "", "")
    table.columns[1].justify = "left"
    add_row(table, "sha256 of bundle.yaml", found["sha256"])
    add_row(table, "family", found["family"])
    add_row(table, "cameras", ", ".join(f"{n} {s}" for n, s in found["cameras"].items()))
    tip = f" and the position of {found['tip']}" if found["tip"] else ""
    add_row(table, "state", _with_units(found["state"]) + tip)
    for group in found["action"]:
        units = _with_units(group["entries"])
        add_row(table, f"action {group['name']}", f"{group['kind']}: {units}")
    add_row(table, "chunk", f"{found['horizon']} steps of {found['dt_s']:g} s")
    add_row(table, "denoise steps", str(found["denoise_steps"]))
    add_row(table, "files", ", ".join(f"{n} {s:,} bytes" for n, s in found["files"].items()))
    add_row(table, "tensors", ", ".join(f"{n} {s:,} bytes" for n, s in found["tensors"].items()))
    quantization = found["quantization"]
    if quantization:
        bits = quantization["activation_bits"]
        add_row(table, "scheme", f"{quantization['scheme']}, activations of {bits} bits")
        add_row(table, "layout", quantization["layout"])
        add_row(table, "corrections kept", listed_corrections(quantization["corrections_kept"]))
        add_row(table, "calibration buffer", quantization["calibration_sha256"])
    else:
        add_row(table, "quantization", "none (float)")
    if known := found["calibration"]:
        add_row(table, "calibrated instructions", "\n".join(known["instructions"]) or "none known")
        add_row(table, "cameras known", ", ".join(known["cameras"]))
    gate = found["gate"]
    add_row(table, "gate", "none" if gate is None else "passed" if gate["passed"] else "failed")
    console.print(table)
    if quantization:
        layers = new_table("Layers", "role", "precision", "layers", "weights")
        for row in quantization["layers"]:
            add_row(
                layers, row["role"], row["precision"], str(row["layers"]), f"{row['weights']:,}"
            )
        console.print(layers)
    if found["contract"]:
        show_contract(Contract.model_validate(found["contract"]))


def _with_units(entries: dict[str, str]) -> str:
    """Names, each unit once, after the last of its names: "a, b (rad), c (m)"."""
    names, parts = list(entries), []
    for name, after in zip_longest(names, names[1:]):
        unit = entries[name]
        parts.append(name if after and entries[after] == unit else f"{name} ({unit})")
    return ", ".join(parts)
