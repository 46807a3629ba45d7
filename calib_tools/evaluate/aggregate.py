# SPDX-License-Identifier: Apache-2.0
"""Figures of many episodes: of each variant, and of each pair on the same episodes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any, get_args

from calib_tools.evaluate.outcome import Grounding, Outcome
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.statistics import Paired, Rate
from calib_tools.evaluate.store import Key

ALL = "all"


def aggregates(
    labels: Sequence[str], plan: Sequence[PlannedEpisode], finished: Mapping[Key, Outcome]
) -> list[dict[str, Any]]:
    """One row a variant, task and shift; "all" stands for all tasks or shifts of several."""
    return [
        {
            "variant": label,
            "task": task,
            "shift": shift,
            **_figures([finished[(label, e.index)] for e in episodes]),
        }
        for task, shift, episodes in _groups(plan)
        for label in labels
    ]


def comparisons(
    labels: Sequence[str], plan: Sequence[PlannedEpisode], finished: Mapping[Key, Outcome]
) -> list[dict[str, Any]]:
    """One row a pair of variants, task and shift; see `aggregates`."""
    rows = []
    for task, shift, episodes in _groups(plan):
        for first, second in itertools.combinations(labels, 2):
            table = Paired.of(
                (finished[(first, e.index)].success, finished[(second, e.index)].success)
                for e in episodes
            )
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "task": task,
                    "shift": shift,
                    "episodes": table.count,
                    "both": table.both,
                    "first_only": table.first_only,
                    "second_only": table.second_only,
                    "neither": table.neither,
                    "difference": round(table.difference, 5),
                    "interval_95": _rounded(table.interval()),
                    "mcnemar_p": float(f"{table.p_value:.3g}"),
                }
            )
    return rows


def _groups(
    plan: Sequence[PlannedEpisode],
) -> Iterator[tuple[str, str, list[PlannedEpisode]]]:
    tasks = list(dict.fromkeys(e.task for e in plan))
    shifts = list(dict.fromkeys(e.shift for e in plan))
    for task in [*tasks, ALL] if len(tasks) > 1 else tasks:
        for shift in [*shifts, ALL] if len(shifts) > 1 else shifts:
            chosen = [e for e in plan if task in (ALL, e.task) and shift in (ALL, e.shift)]
            yield task, shift, chosen


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    count = len(outcomes)
    rate = Rate(sum(o.success for o in outcomes), count)
    grounded = Counter(o.grounding for o in outcomes)
    times = [o.seconds for o in outcomes if o.success]
    return {
        "episodes": count,
        "successes": rate.successes,
        "success": round(rate.value, 5),
        "interval_95": _rounded(rate.interval),
        "seconds_to_success": {
            "median": round(median(times), 3) if times else None,
            "mean": round(fmean(times), 3) if times else None,
        },
        "grounding": {kind: grounded[kind] for kind in get_args(Grounding)},
        "other_interval_95": _rounded(Rate(grounded["other"], count).interval),
        "jerk_rad_s3": _over(outcomes, lambda o: o.jerk_rad_s3, fmean),
        "boundary_jump": _over(outcomes, lambda o: o.boundary_jump, max),
        "chunk_gap": _over(outcomes, lambda o: o.chunk_gap, fmean),
        "clamped": _over(outcomes, lambda o: o.clamped, sum),
        "limited": _over(outcomes, lambda o: o.limited, sum),
        "path_rad": _over(outcomes, lambda o: o.path_rad, fmean),
        "faults": dict(Counter(o.fault for o in outcomes if o.fault)),
    }


def _over(
    outcomes: Iterable[Outcome],
    value: Callable[[Outcome], float | None],
    combine: Callable[[list[float]], float],
) -> float | None:
    """Combine a figure over the episodes that have it."""
    known = [v for v in map(value, outcomes) if v is not None]
    return float(f"{combine(known):.6g}") if known else None


def _rounded(interval: tuple[float, float]) -> list[float]:
    return [round(value, 5) for value in interval]
