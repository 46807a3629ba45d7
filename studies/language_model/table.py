# SPDX-License-Identifier: Apache-2.0
"""The study's table for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    return "\n".join([*lines, "", *_rotation(record["rotation"], fit["inputs"])])


def _rotation(cost: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a rotation takes, and how many inputs got one."""
    taken = [one["block"] for one in inputs if one["added"]]
    alone = cost["blocks"][0]["cpu_ms"]
    lines = [
        f"{len(taken)} inputs are rotated online. What that takes for one of them "
        f"({cost['inputs']} to {cost['outputs']}, {cost['tokens']} tokens, CPU time of one thread, "
        f"kernel {cost['kernel']}):",
        "",
        "| block | inputs that got it | products added | INT8 layer with it | beside without |",
        "| :--- | ---: | ---: | ---: | ---: |",
    ]
    for row in cost["blocks"]:
        name = "none" if row["block"] is None else str(row["block"])
        got = "" if row["block"] is None else str(taken.count(row["block"]))
        lines.append(
            f"| {name} | {got} | {100 * row['added_products']:.0f} % | {row['cpu_ms']:.1f} ms | "
            f"{row['cpu_ms'] / alone:.2f}x |"
        )
    return lines
