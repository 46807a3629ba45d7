# SPDX-License-Identifier: Apache-2.0
"""The table that records of boards fill: a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KIND, SCHEMA, RECORD = "studies.jetson_check", 1, "jetson-check.json"
HEAD = (
    "board", "steps done", "INT8, p50", "float of the same backend, p50", "PyTorch, p50",
    "gate", "jitter at 100 Hz, p99",
)  # fmt: skip


def markdown(record: Mapping[str, Any]) -> str:
    """The table of one record."""
    return table([record])


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """A row for each record; without any it says so."""
    rows = [_row(record) for record in records] or [["none was sent yet", *[""] * (len(HEAD) - 1)]]
    return "\n".join(f"| {' | '.join(line)} |" for line in (HEAD, ["---"] * len(HEAD), *rows))


def _row(record: Mapping[str, Any]) -> list[str]:
    steps = record["steps"]
    done = sum(step["status"] == "done" for step in steps.values())
    facts = {check["name"]: check["text"] for check in _result(steps, "doctor").get("checks", [])}
    names = [facts[name] for name in ("GPU", "JetPack", "TensorRT") if name in facts]
    board = ", ".join(names) if "JetPack" in facts else record["machine"]["cpu"]
    bench, gate = _result(steps, "bench"), _result(steps, "gate")
    jitter = _result(steps, "node").get("rows", [])
    return [
        board,
        f"{done} of {len(steps)}",
        _ms(bench, "int8"),
        _ms(bench, "float_compiled"),
        _ms(_result(steps, "bench of PyTorch"), "float_compiled"),
        "" if not gate else "passed" if gate["passed"] else "not passed",
        f"{jitter[0]['jitter_ms']['p99']:.2f} ms" if jitter else "",
    ]


def _result(steps: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    result: Mapping[str, Any] = steps.get(name, {}).get("result") or {}
    return result


def _ms(bench: Mapping[str, Any], which: str) -> str:
    return f"{bench['latency_ms'][which]['p50']:.1f} ms" if bench else ""
