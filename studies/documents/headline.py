# SPDX-License-Identifier: Apache-2.0
"""The README's one small table: speed and memory of a demo, success of some evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calib_tools.evaluate.aggregate import ALL

Row = Sequence[str]


def headline_rows(
    summary: Mapping[str, Any], evaluations: Sequence[Mapping[str, Any]]
) -> Iterable[Row]:
    """The head, and a row for each thing measured.

    Args:
        summary: of a demo.
        evaluations: records that pair the float policy with its INT8 version.
    """
    latency, weights = summary["latency_ms"], summary["weight_bytes"]
    compiled, int8 = latency["float_compiled"]["p50"], latency["int8"]["p50"]
    yield "", "float", "INT8", "INT8 beside float"
    yield ":---", "---:", "---:", ":---"
    yield (
        "one chunk, median", f"{compiled:.1f} ms", f"{int8:.1f} ms",
        f"{summary['speedup']:.2f}x as fast as float compiled by PyTorch",
    )  # fmt: skip
    held = [weights[name] for name in ("float", "int8")]
    yield (
        "weights held in memory", *(f"{count / 1e6:.1f} MB" for count in held),
        f"{100 * held[1] / held[0]:.0f} %",
    )  # fmt: skip
    for record in evaluations:
        yield _success(record)


def _success(record: Mapping[str, Any]) -> Row:
    """Episodes solved of all tasks of an evaluation."""
    tasks = list(dict.fromkeys(row["task"] for row in record["aggregates"] if row["task"] != ALL))
    total = ALL if len(tasks) > 1 else tasks[0]
    (pair,) = (row for row in record["comparisons"] if row["task"] == total)
    solved = {
        row["variant"]: f"{row['successes']} of {row['episodes']}"
        for row in record["aggregates"]
        if row["task"] == total
    }
    low, high = (f"{100 * end:+.1f}" for end in pair["interval_95"])
    return (
        f"solved: {', '.join(f'`{task}`' for task in tasks)}",
        solved[pair["first"]],
        solved[pair["second"]],
        f"{100 * pair['difference']:+.1f} points, 95 % interval {low} to {high}",
    )
