# SPDX-License-Identifier: Apache-2.0
"""The tables of a record of peers: latencies, and what was aimed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.peers.catalogue import PEERS
from studies.peers.goals import goal_rows
from studies.study import Grid, grids_text

KIND, RECORD = "studies.peers", "peers.json"
Condition = Mapping[str, Any]
GOAL_HEAD = ["figure", "goal", "measured"]


def markdown(record: Mapping[str, Any]) -> str:
    """What ran where, a table of latencies, the judgements, and the goals."""
    goals: Grid = ("", GOAL_HEAD, goal_rows(record))
    grids = [latency_grid(record), judgement_grid(record), goals]
    return grids_text([_about(record)], grids)


def latency_grid(record: Mapping[str, Any]) -> Grid:
    """A row for each peer, a column for each condition; the fastest first."""
    conditions = record["timings"]
    first = conditions[0]["peers"]
    order = sorted(PEERS, key=lambda peer: _p50(first.get(peer.key)))
    head = ["one chunk, median (95th percentile), ms", *map(_named, conditions)]
    shown = [peer for peer in order if any(peer.key in c["peers"] for c in conditions)]
    rows = [[p.label, *(_cell(c["peers"].get(p.key), c) for c in conditions)] for p in shown]
    return "", head, rows


def judgement_grid(record: Mapping[str, Any]) -> Grid:
    """What gate and simulator say; no rows if they were not asked."""
    gate, success = record.get("gate", {}), record.get("success")
    solved = {} if success is None else _solved(success["aggregates"])
    rows = []
    for peer in PEERS:
        judged = gate.get(peer.key)
        variant = peer.bundle if peer.backend == "cpu" else f"{peer.bundle}@{peer.backend}"
        if judged is None and variant not in solved:
            continue
        cells = ["", ""]
        if judged is not None:
            word = "passed" if judged["passed"] else "failed"
            cells = [word, f"{100 * judged['error_share']:.1f} %"]
        rows.append([peer.label, *cells, solved.get(variant, "")])
    head = ["", "gate", "difference from float, of float's own spread", "episodes solved"]
    return "", head, rows


def _solved(aggregates: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    from calib_tools.evaluate.aggregate import ALL

    return {
        row["variant"]: f"{row['successes']} of {row['episodes']}"
        for row in aggregates
        if row["task"] == ALL
    }


def _about(record: Mapping[str, Any]) -> str:
    network, cpu = record["network"], record["cpu"]
    versions = record["versions"]
    named = [f"{name} {versions[name]}" for name in ("torch", "openvino", "onnxruntime", "nncf")
             if name in versions]  # fmt: skip
    kind = f"`{network['family']}`" + (
        " in its published size, random" if network["random"] else ""
    )
    return (
        f"Network {kind}; {cpu['model']}; {', '.join(named)}. In turn, inference by inference, in "
        "one process for each column. In bold: what this package runs."
    )


def _named(condition: Condition) -> str:
    threads = condition["threads"]
    unit = "VNNI" if condition["vnni"] else "AVX2 only"
    return f"{unit}, {threads} thread{'s' if threads > 1 else ''}"


def _cell(found: Mapping[str, Any] | None, condition: Condition) -> str:
    if found is None:
        return ""
    if "refused" in found:
        return "refused"
    latency = found["latency_ms"]
    return f"{latency['p50']:.1f} ({latency['p95']:.1f})"


def _p50(found: Mapping[str, Any] | None) -> float:
    latency = (found or {}).get("latency_ms")
    return float("inf") if latency is None else float(latency["p50"])
