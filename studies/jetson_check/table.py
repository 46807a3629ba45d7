# SPDX-License-Identifier: Apache-2.0
"""The table that records of boards fill: a row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from calib_tools.bench.floats import PYTORCH

KIND, SCHEMA = "studies.jetson_check", 1
HEAD = (
    "board", "steps", "INT8 engine, p50", "float engine, p50", "compiled PyTorch, p50",
    "INT8 on the processor, p50", "float on the processor, p50", "gates: engine, processor",
    "jitter at 100 Hz, p99: engine, processor",
)  # fmt: skip


def markdown(record: Mapping[str, Any]) -> str:
    """The table of one record."""
    return table([record])


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """A row for each record; without any it says so."""
    rows = [_row(record) for record in records] or [["none was sent yet", *[""] * (len(HEAD) - 1)]]
    return "\n".join(f"| {' | '.join(line)} |" for line in (HEAD, ["---"] * len(HEAD), *rows))


def _row(record: Mapping[str, Any]) -> list[str]:
    steps, engine, plain = record["steps"], record["backend"], record["plain"]
    counts = Counter(step["status"] for step in steps.values())
    measured = _result(steps, f"bench on {engine}"), _result(steps, f"bench on {plain}")
    return [
        _board(record),
        ", ".join(f"{count} {status}" for status, count in counts.items()),
        _ms(measured[0], "int8"),
        _ms(measured[0], "float"),
        _ms(measured[0], PYTORCH),
        _ms(measured[1], "int8"),
        _ms(measured[1], "float"),
        _both(_gate(steps, f"gate on {name}") for name in (engine, plain)),
        _both(_jitter(steps, f"node on {name}") for name in (engine, plain)),
    ]


def _board(record: Mapping[str, Any]) -> str:
    """GPU, JetPack and TensorRT of a board; of another machine what it is."""
    steps, machine = record["steps"], record["machine"]
    facts = {check["name"]: check["text"] for check in _result(steps, "doctor").get("checks", [])}
    if "JetPack" in facts:
        return ", ".join(facts[name] for name in ("GPU", "JetPack", "TensorRT") if name in facts)
    kind = "x86" if machine["architecture"] == "x86_64" else machine["architecture"]
    load, cores = machine["load"], machine["cores"]
    busy = f", busy: load {load:.0f} on {cores} cores" if load > cores else ""
    return f"{kind}, {facts.get('GPU', 'no GPU')} ({machine['cpu']}{busy})"


def _result(steps: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    result: Mapping[str, Any] = steps.get(name, {}).get("result") or {}
    return result


def _ms(bench: Mapping[str, Any], which: str) -> str:
    found = bench.get("latency_ms", {}).get(which)
    return f"{found['p50']:.1f} ms" if found else ""


def _gate(steps: Mapping[str, Any], name: str) -> str:
    gate = _result(steps, name)
    return "" if not gate else "passed" if gate["passed"] else "not passed"


def _jitter(steps: Mapping[str, Any], name: str) -> str:
    rows = _result(steps, name).get("rows", [])
    return f"{rows[0]['jitter_ms']['p99']:.2f} ms" if rows else ""


def _both(texts: Any) -> str:
    found = [text or "-" for text in texts]
    return ", ".join(found) if set(found) != {"-"} else ""
