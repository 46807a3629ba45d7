# SPDX-License-Identifier: Apache-2.0
"""What was aimed at, beside what a record of peers shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.peers.catalogue import PEERS

_INT8 = ("ours_w8a8", "ov_static")  # exact, of this package's own bundles
_FLOATS = tuple(peer.key for peer in PEERS if peer.float)
_LABELS = {peer.key: peer.label.replace("**", "") for peer in PEERS}


def goal_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Figure, goal, what was measured; figures that the record does not hold are left out."""
    rows: list[list[str]] = []
    for condition in record["timings"]:
        rows += _beside_float(condition)
        if condition["vnni"] and condition["threads"] == 1:
            rows += _beside_others(condition)
    success = record.get("success")
    if success is not None and success["speed"]["episodes_per_minute"]:
        speed = success["speed"]
        text = f"{speed['episodes_per_minute']:.0f} with {speed['workers']} workers"
        rows.append(["evaluation, episodes a minute, 2 cores", "at least 120", text])
    return rows


def _beside_float(condition: Mapping[str, Any]) -> list[list[str]]:
    """The fastest exact INT8 beside the fastest float."""
    found = _medians(condition)
    floats = [key for key in _FLOATS if key in found]
    exact = [key for key in _INT8 if key in found]
    if not floats or not exact:
        return []
    fast, quick = (min(keys, key=found.__getitem__) for keys in (floats, exact))
    unit = "VNNI" if condition["vnni"] else "AVX2 only"
    name = f"{unit}, {condition['threads']} thread(s): exact INT8 beside the fastest float"
    text = f"{found[fast] / found[quick]:.2f}x ({_LABELS[quick]} beside {_LABELS[fast]})"
    return [[name, f"at least {2.0 if condition['vnni'] else 1.3}x", text]]


def _beside_others(condition: Mapping[str, Any]) -> list[list[str]]:
    """Our kernels beside other INT8 policies, and w4a8 beside w8a8."""
    found, peers = _medians(condition), condition["peers"]
    ours = "ours_w8a8"
    goals = {"ov_static": "at least 1.25x", "nncf_ptq": "faster", "ort_dynamic": "faster"}
    rows = [
        [f"our kernels' INT8 beside: {_LABELS[key]}", goal, f"{found[key] / found[ours]:.2f}x"]
        for key, goal in goals.items()
        if ours in found and key in found
    ]
    four = "ours_w4a8"
    if ours in found and four in found:
        slower = 100 * (found[four] / found[ours] - 1)
        held = [peers[key]["weight_bytes"] / 1e6 for key in (four, ours)]
        text = f"{slower:+.0f} % time, {held[0]:.1f} MB beside {held[1]:.1f} MB of weights held"
        rows.append(["w4a8 beside w8a8", "at most 10 % slower", text])
    return rows


def _medians(condition: Mapping[str, Any]) -> dict[str, float]:
    """Median ms by peer; those that were refused are left out."""
    peers = condition["peers"]
    return {key: one["latency_ms"]["p50"] for key, one in peers.items() if "latency_ms" in one}
