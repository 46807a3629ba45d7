# SPDX-License-Identifier: Apache-2.0
"""What a run directory holds for its report; what is missing gives no section."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calib_tools.buffer.store import BufferDescription, load_description
from calib_tools.report.bundle_data import BundleData, read_bundle
from quantvla_ros.errors import QuantVLAError

Record = dict[str, Any]


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


def _read(path: Path) -> Record | None:
    if not path.is_file():
        return None
    try:
        content: Record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise QuantVLAError(f"The record '{path}' is damaged: {error}.") from error
    return content
