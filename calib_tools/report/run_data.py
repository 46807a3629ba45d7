# SPDX-License-Identifier: Apache-2.0
"""What a run directory and a quantized bundle hold for a report; what is missing has no section."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calib_tools.buffer.store import BufferDescription, load_description
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


@dataclass(frozen=True)
class RunData:
    """Records by name; None for one that is not there.

    Attributes:
        name: of the directory.
        pictures: PNG files of the robot, in order.
    """

    name: str
    summary: Record | None
    bench: Record | None
    chunks: Record | None
    motion: Record | None
    episodes: Record | None
    node: Record | None
    bundle: BundleData | None
    buffer: BufferDescription | None
    pictures: list[bytes]


def read_run(path: Path) -> RunData:
    """Read what `quantvla demo` wrote, or the part of it that is there.

    Raises:
        QuantVLAError: no such directory, a damaged record, or nothing to report.
    """
    if not path.is_dir():
        raise QuantVLAError(f"'{path}' is no directory; give one that `quantvla demo` wrote.")
    records = path / "records"
    has_bundle = (path / "int8" / "bundle.yaml").is_file()
    data = RunData(
        name=path.resolve().name,
        summary=_read(path / "summary.json"),
        bench=_read(records / "bench.json"),
        chunks=_read(records / "chunks.json"),
        motion=_read(records / "motion.json"),
        episodes=_read(records / "episodes.json"),
        node=_read(records / "int8_node.json"),
        bundle=read_bundle(path / "int8") if has_bundle else None,
        buffer=load_description(path / "buffer")
        if (path / "buffer" / "buffer.yaml").is_file()
        else None,
        pictures=[file.read_bytes() for file in sorted((path / "pictures").glob("*.png"))],
    )
    if not any((data.summary, data.bench, data.chunks, data.motion, data.bundle)):
        raise QuantVLAError(
            f"'{path}' holds no record to report; give a directory that `quantvla demo` wrote."
        )
    return data
