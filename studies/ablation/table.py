# SPDX-License-Identifier: Apache-2.0
"""The tables of an ablation, for the terminal, the report and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib_tools.evaluate.table import percent, points
from studies.ablation.steps import Step, compare, ratio_interval, steps
from studies.study import Grid, grids_text

Row = list[str]

RECORD, KIND = "ablation.json", "studies.ablation"

OPEN_HEAD = [
    "variant", "numbers", "layers", "mean error, mrad", "share of own spread", "largest, mrad",
    "cosine", "gripper flips", "alpha / beta kept of fitted", "weights, MB", "gate",
]  # fmt: skip
FRESH_HEAD = [
    "variant", "samples", "mean error, mrad", "95 % interval", "median", "95th percentile",
    "share of own spread",
]  # fmt: skip
FRESH_STEP_HEAD = [
    "step", "adds", "mean error before, mrad", "after", "after / before", "95 % interval",
]  # fmt: skip
CLOSED_HEAD = [
    "variant", "setting", "solved", "success", "95 % interval", "less float, points",
    "95 % interval", "McNemar p", "gate", "agree",
]  # fmt: skip
STEP_HEAD = [
    "step", "adds", "setting", "before", "after", "after less before, points", "95 % interval",
    "McNemar p",
]  # fmt: skip


def open_rows(record: Mapping[str, Any]) -> list[Row]:
    """Action error of each variant on held-out samples, and its verdict."""
    rows = []
    for variant in record["variants"]:
        if "refused" in variant:
            rows.append([variant["name"], "", "", *[""] * (len(OPEN_HEAD) - 4), "not possible"])
            continue
        gate, held = variant["gate"], variant["weight_bytes"]
        commands = gate["samples"] * gate["gripper_commands"]
        rows.append(
            [
                variant["name"],
                "fake" if variant["fake"] else "integers",
                str(variant["integer_layers"]),
                f"{1e3 * gate['chunk_mae']:.2f}",
                percent(gate["error_share"]),
                f"{1e3 * gate['chunk_max']:.1f}",
                f"{gate['cosine']:.4f}",
                f"{gate['gripper_flips']} of {commands}",
                _kept(variant["corrections"]),
                "" if held is None else f"{held['all'] / 1e6:.2f}",
                "passed" if gate["passed"] else "failed",
            ]
        )
    return rows


def fresh_rows(record: Mapping[str, Any]) -> list[Row]:
    """Action error on samples of buffers of their own; none where no such buffer was given."""
    spread = record.get("fresh")
    if spread is None:
        return []
    return [
        _fresh(variant["name"], variant["fresh"])
        for variant in record["variants"]
        if "fresh" in variant
    ] + [_fresh("float, other noise", spread)]


def _fresh(name: str, found: Mapping[str, Any]) -> Row:
    return [
        name,
        str(len(found["errors_mrad"])),
        f"{found['mean_mrad']:.2f}",
        "{:.2f} to {:.2f}".format(*found["mean_interval_95_mrad"]),
        f"{found['median_mrad']:.2f}",
        f"{found['p95_mrad']:.2f}",
        percent(found["error_share"]),
    ]


def fresh_step_rows(record: Mapping[str, Any]) -> list[Row]:
    """The factor by which each part changes the action error, on the same fresh samples."""
    variants = {v["name"]: v for v in record["variants"] if "fresh" in v}
    rows = []
    for step in steps(variants):
        before, after = (variants[name]["fresh"] for name in (step.before, step.after))
        low, high = ratio_interval(before["errors_mrad"], after["errors_mrad"])
        rows.append(
            [
                f"{step.before} to {step.after}",
                _adds(step, variants[step.before], variants[step.after]),
                f"{before['mean_mrad']:.2f}",
                f"{after['mean_mrad']:.2f}",
                f"{after['mean_mrad'] / before['mean_mrad']:.2f}",
                f"{low:.2f} to {high:.2f}",
            ]
        )
    return rows


def _adds(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    # What integer kernels compute differs a little from what is computed in float: that is told.
    return step.adds if before["fake"] == after["fake"] else f"{step.adds} (fake)"


def _kept(corrections: Mapping[str, Any]) -> str:
    counts = []
    for kind in ("alpha", "beta"):
        kept, fitted = (
            sum(name.startswith(f"{kind}:") for name in corrections[which])
            for which in ("kept", "fitted")
        )
        counts.append(f"{kept} of {fitted}")
    return " / ".join(counts)


def closed_rows(record: Mapping[str, Any]) -> list[Row]:
    """Success of each variant in each setting, against float on the same episodes."""
    rows = [
        ["float", setting, *_success(found), "", "", "", "", ""]
        for setting, found in record["float"].items()
    ]
    for variant in record["variants"]:
        for setting, found in variant.get("closed_loop", {}).items():
            low, high = found["difference_interval_95"]
            rows.append(
                [
                    variant["name"],
                    setting,
                    *_success(found),
                    points(found["difference"]),
                    f"{points(low)} to {points(high)}",
                    f"{found['mcnemar_p']:.3g}",
                    "passed" if variant["gate"]["passed"] else "failed",
                    "yes" if found["gate_agrees"] else "no",
                ]
            )
    return rows


def step_rows(record: Mapping[str, Any]) -> list[Row]:
    """What each part adds to success."""
    variants = {variant["name"]: variant for variant in record["variants"]}
    return [
        row
        for step in steps(variants)
        for row in _step(step, variants[step.before], variants[step.after])
    ]


def _step(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    rows = []
    for setting, first in before.get("closed_loop", {}).items():
        second = after.get("closed_loop", {}).get(setting)
        if second is None:
            continue
        pairs = compare(first["won"], second["won"])
        low, high = pairs.interval()
        rows.append(
            [
                f"{step.before} to {step.after}",
                _adds(step, before, after),
                setting,
                percent(first["success"]),
                percent(second["success"]),
                points(pairs.difference),
                f"{points(low)} to {points(high)}",
                f"{pairs.p_value:.3g}",
            ]
        )
    return rows


def same_networks(record: Mapping[str, Any]) -> str:
    """Names variants whose network equals that of an earlier one; empty if there are none."""
    first: dict[str, str] = {}
    told = []
    for variant in record["variants"]:
        name, tensors = variant["name"], variant.get("sha256")
        if tensors is None:  # refused
            continue
        if tensors in first:
            told.append(f"{name} is the same network as {first[tensors]}.")
        first.setdefault(tensors, name)
    return " ".join(told)


def _success(found: Mapping[str, Any]) -> Row:
    low, high = found["interval_95"]
    return [
        f"{found['successes']} of {found['episodes']}",
        percent(found["success"]),
        f"{percent(low)} to {percent(high)}",
    ]


def summary_line(record: Mapping[str, Any]) -> str:
    """Samples, episodes, and on how many variants the gate and the success agree."""
    samples, vnni = record["samples"], "with" if record["cpu"]["vnni"] else "without"
    parts = [
        f"Open loop on {samples['held_out']} held-out samples, {samples['calibration']} to "
        f"calibrate; {record['cpu']['model']}, {vnni} VNNI; bundle {record['bundle'][:12]}."
    ]
    for setting, found in record["float"].items():
        judged = [
            v["closed_loop"][setting]
            for v in record["variants"]
            if setting in v.get("closed_loop", {})
        ]
        agree, below = (
            sum(found[key] for found in judged) for key in ("gate_agrees", "below_float")
        )
        parts.append(
            f"Setting {setting}: {found['episodes']} paired episodes, {below} of {len(judged)} "
            f"variants below float, gate and success agree on {agree}."
        )
    return " ".join(parts)


def lines(record: Mapping[str, Any]) -> tuple[str, str]:
    """What is said beside the tables."""
    return summary_line(record), same_networks(record)


def grids(record: Mapping[str, Any]) -> list[Grid]:
    """The tables of a record; what was not measured has no rows."""
    return [
        ("Action error on held-out samples", OPEN_HEAD, open_rows(record)),
        ("Action error on fresh samples", FRESH_HEAD, fresh_rows(record)),
        ("Each part's share of the error", FRESH_STEP_HEAD, fresh_step_rows(record)),
        ("Closed-loop success", CLOSED_HEAD, closed_rows(record)),
        ("Each part's share of success", STEP_HEAD, step_rows(record)),
    ]


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of a record."""
    return grids_text(lines(record), grids(record))
