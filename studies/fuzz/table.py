# SPDX-License-Identifier: Apache-2.0
"""The table that a record of the study gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORD = "fuzz.json"
KIND = "studies.fuzz"
_HEAD = "| what | damaged | refused | harmless | failures |\n|---|---|---|---|---|"
_NAMES = {
    "messages": "messages over DDS to a moving robot's policy node",
    "bundle": "bundles, float and quantized",
    "buffer": "calibration buffers",
    "bag": "bags for `quantvla select`",
    "parameters": "parameter files of the node",
    "configuration": "configurations of `quantvla record`",
    "picture": "messages with compressed pictures",
}


def markdown(record: Mapping[str, Any]) -> str:
    """One line for each kind."""
    lines = [_HEAD]
    for row in record["kinds"]:
        lines.append(
            f"| {_NAMES[row['kind']]} | {row['cases']} | {row['refused']} | {row['accepted']} | "
            f"{len(row['failed'])} |"
        )
    return "\n".join(lines)
