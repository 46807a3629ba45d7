# SPDX-License-Identifier: Apache-2.0
"""Pairs of variants of which the second has one part more than the first; bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calib_tools.evaluate.statistics import LEVEL, Paired

RESAMPLED = 10_000
_SEED = 1


def mean_interval(errors: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean over samples."""
    return _interval(np.mean, errors)


def ratio_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Interval of the ratio of means, the same samples drawn for both."""

    def ratio(one: Any, other: Any, axis: int) -> Any:
        return other.mean(axis) / one.mean(axis)

    return _interval(ratio, before, after)


def _interval(statistic: Callable[..., Any], *samples: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        samples, statistic, n_resamples=RESAMPLED, paired=len(samples) > 1, vectorized=True,
        confidence_level=LEVEL, method="percentile", rng=np.random.default_rng(_SEED),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


CORRECTIONS = {"atm": "ATM", "ohb": "OHB", "both": "ATM and OHB"}
_PARTS = [
    ("all", "rtn", "layout"),
    ("all", "all-gptq", "GPTQ"),
    ("all-gptq", "gptq", "layout"),
    ("all", "all-duquant", "DuQuant"),
    ("all-duquant", "duquant", "layout"),
    ("rtn", "clip", "clip search"),
    ("rtn", "smoothquant", "SmoothQuant"),
    ("rtn", "hadamard", "Hadamard rotation"),
    ("rtn", "duquant", "DuQuant"),
    ("rtn", "gptq", "GPTQ"),
    ("smoothquant", "gptq-smoothquant", "GPTQ"),
    ("hadamard", "gptq-hadamard", "GPTQ"),
    ("gptq", "gptq-smoothquant", "SmoothQuant"),
    ("gptq", "gptq-hadamard", "Hadamard rotation"),
    ("gptq", "gptq-sequential", "inputs of quantized layers"),
    ("gptq", "gptq-static", "static ranges"),
    ("gptq-static", "gptq-static-absmax", "largest value instead of MSE search"),
    ("gptq-static", "gptq-static-percentile", "percentile instead of MSE search"),
    ("gptq-llm", "gptq", "MLP of the action head"),
    ("gptq", "gptq-llm+dit", "attention of the action head"),
    ("gptq-dit", "gptq-llm+dit", "language backbone"),
    ("gptq", "gptq-group64", "groups of 64"),
    *[("gptq", f"gptq+{end}", adds) for end, adds in CORRECTIONS.items()],
    ("gptq+both", "whole", "transforms"),
    ("gptq", "whole", "transforms and corrections"),
    ("whole", "auto", "searched layout"),
    *[("duquant", f"duquant+{end}", adds) for end, adds in CORRECTIONS.items()],
]
"""Before, after, what is added: by the ends of names, so that every scheme has them."""


@dataclass(frozen=True)
class Step:
    """Two variants of one scheme: without a part, with it, and which part that is."""

    before: str
    after: str
    adds: str


def steps(names: Iterable[str]) -> list[Step]:
    """The steps between variants of these names, scheme by scheme in the order of the names."""
    there = list(names)
    schemes = dict.fromkeys(name.partition("-")[0] for name in there)
    found = [
        Step(f"{scheme}-{before}", f"{scheme}-{after}", adds)
        for scheme in schemes
        for before, after, adds in _PARTS
    ]
    return [step for step in found if step.before in there and step.after in there]


def written(won: Sequence[bool]) -> str:
    """Outcomes as a record keeps them: a character for each episode of the plan, in its order."""
    return "".join("1" if solved else "0" for solved in won)


def compare(before: str, after: str) -> Paired:
    """Two variants' outcomes on the same episodes, each as a record keeps them."""
    return Paired.of((a == "1", b == "1") for a, b in zip(before, after, strict=True))
