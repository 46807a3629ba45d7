# SPDX-License-Identifier: Apache-2.0
"""What a quantized bundle says of its own making."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.bundle.tensors import tensor_header
from quantvla_ros.errors import QuantVLAError

Record = dict[str, Any]
OTHERS = "norms, embeddings, others"
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I8": 1, "U8": 1}


@dataclass(frozen=True)
class BundleData:
    """A quantized bundle's manifest and the records beside it.

    Attributes:
        manifest: with quantization and gate.
        sha256: of the bundle.
        layers: content of `layers.json`; None for a bundle without it.
        sensitivity: content of `sensitivity.json`, which only a search writes.
        held: bytes on disk by role of the layer, in the network's order.
        float_16: the same if all weights were 16-bit floats.
    """

    manifest: BundleManifest
    sha256: str
    layers: Record | None
    sensitivity: Record | None
    held: dict[str, int]
    float_16: dict[str, int]


def read_bundle(path: Path) -> BundleData:
    """Read a bundle's records; its weights stay on disk.

    Raises:
        QuantVLAError: the bundle is not quantized, or a record is damaged.
    """
    manifest = load_manifest(path)
    if manifest.quantization is None:
        raise QuantVLAError(f"The bundle '{path}' is not quantized: there is nothing to report.")
    held, float_16 = _bytes_by_role(manifest, path)
    return BundleData(
        manifest,
        bundle_hash(path),
        _read(path / "layers.json"),
        _read(path / "sensitivity.json"),
        held,
        float_16,
    )


def _read(path: Path) -> Record | None:
    if not path.is_file():
        return None
    try:
        content: Record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise QuantVLAError(f"The record '{path}' is damaged: {error}.") from error
    return content


def _bytes_by_role(manifest: BundleManifest, path: Path) -> tuple[dict[str, int], dict[str, int]]:
    assert manifest.quantization is not None
    layers = {layer.name: layer for layer in manifest.quantization.layers}
    held: dict[str, int] = {}
    wide: dict[str, int] = {}
    for name, entry in tensor_header(path).items():
        owner, _, part = name.rpartition(".")
        layer = layers.get(owner)
        role = OTHERS if layer is None else layer.role
        begin, end = entry["data_offsets"]
        held[role] = held.get(role, 0) + end - begin
        wide[role] = wide.get(role, 0) + _as_16_bits(entry, layer, part)
    return held, wide


def _as_16_bits(entry: Mapping[str, Any], layer: Any, part: str) -> int:
    if layer is not None and part == "weight":
        return int(2 * layer.rows * layer.cols)
    if layer is not None and part in ("scale", "activation_scale"):
        return 0  # a float layer has none
    begin, end = entry["data_offsets"]
    return int(2 * (end - begin) // SIZES[entry["dtype"]])
