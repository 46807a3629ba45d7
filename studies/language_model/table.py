# SPDX-License-Identifier: Apache-2.0
"""The study's table for the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KIND, RECORD = "studies.language_model", "language-model.json"


def markdown(record: Mapping[str, Any]) -> str:
    """What was measured, and a row for each variant."""
    network, texts = record["network"], record["texts"]
    fit, unseen = record["fit"], texts["evaluation"]
    added = sum(one["added"] for one in fit["inputs"]) / fit["products"]
    lines = [
        f"{network['weights']} of {network['package']}, {network['linears']} linears, perplexity "
        f"on {unseen['tokens']} tokens of {unseen['source']}. Calibrated on "
        f"{texts['calibration']['tokens']} tokens of {texts['calibration']['source']}. The "
        f"recipe's rotations add {100 * added:.1f} % to the products.",
        "",
        "| linears | perplexity | above float |",
        "| :--- | ---: | ---: |",
        f"| float | {record['float_perplexity']:.2f} | |",
    ]
    lines += [
        f"| {name} | {one['perplexity']:.2f} | {100 * one['increase']:.1f} % |"
        for name, one in record["variants"].items()
    ]
    return "\n".join(lines)
