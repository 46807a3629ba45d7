# SPDX-License-Identifier: Apache-2.0
"""The table that a record of the study gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib_tools.common.tables import markdown_grid

RECORD = "fuzz.json"
KIND = "studies.fuzz"
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
    rows = [
        [_NAMES[row["kind"]], *(str(row[k]) for k in ("cases", "refused", "accepted")),
         str(len(row["failed"]))]
        for row in record["kinds"]
    ]  # fmt: skip
    return markdown_grid(["what", "damaged", "refused", "harmless", "failures"], rows)
