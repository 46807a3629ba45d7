# SPDX-License-Identifier: Apache-2.0
"""Rates with intervals, and paired comparisons of two variants on the same episodes.

Sources: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; R. G. Newcombe, Statistics in Medicine
17 (1998) 2635, method 10 for paired proportions; Q. McNemar, Psychometrika 12 (1947) 153, in its
exact form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """Successes of a number of trials, with Wilson's interval; without trials it is 0 to 1."""

    successes: int
    count: int
    level: float = LEVEL

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.successes <= self.count:
            raise ValueError(f"{self.successes} successes of {self.count} trials")

    @property
    def value(self) -> float:
        """Share of successes; NaN without trials."""
        return self.successes / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval."""
        if self.count == 0:
            return 0.0, 1.0
        from scipy.stats import binomtest

        found = binomtest(self.successes, self.count).proportion_ci(self.level, "wilson")
        # Exact ends: rounding would leave 1e-17 where the bound is 0.
        low = 0.0 if self.successes == 0 else float(found.low)
        high = 1.0 if self.successes == self.count else float(found.high)
        return low, high


@dataclass(frozen=True)
class Paired:
    """Outcomes of two variants on the same episodes."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(cls, outcomes: Iterable[tuple[bool, bool]]) -> Paired:
        """Count pairs of (success of the first, success of the second)."""
        pairs = list(outcomes)
        return cls(
            both=pairs.count((True, True)),
            first_only=pairs.count((True, False)),
            second_only=pairs.count((False, True)),
            neither=pairs.count((False, False)),
        )

    @property
    def count(self) -> int:
        """Number of pairs."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Success rate of the second less that of the first; NaN without pairs."""
        return (self.second_only - self.first_only) / self.count if self.count else math.nan

    @property
    def p_value(self) -> float:
        """McNemar's exact test, two-sided: is the chance of "only one" the same for both?"""
        from scipy.stats import binomtest

        discordant = self.first_only + self.second_only
        return float(binomtest(self.first_only, discordant).pvalue) if discordant else 1.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Newcombe's interval of `difference`; -1 to 1 without pairs."""
        if self.count == 0:
            return -1.0, 1.0
        first = Rate(self.both + self.first_only, self.count, level)
        second = Rate(self.both + self.second_only, self.count, level)
        low = _combined(second, first, self._correlation)
        high = _combined(first, second, self._correlation)
        return max(-1.0, self.difference - low), min(1.0, self.difference + high)

    @property
    def _correlation(self) -> float:
        """Newcombe's estimate, corrected for continuity where it is positive."""
        product = self.both * self.neither - self.first_only * self.second_only
        first, second = self.both + self.first_only, self.both + self.second_only
        margins = first * (self.count - first) * second * (self.count - second)
        if margins == 0:
            return 0.0
        corrected = max(0.0, product - self.count / 2) if product >= 0 else float(product)
        return corrected / math.sqrt(margins)


def _combined(falling: Rate, rising: Rate, correlation: float) -> float:
    """How far the difference "falling less rising" can go down: both Wilson distances added."""
    down = falling.value - falling.interval[0]
    up = rising.interval[1] - rising.value
    return math.sqrt(max(0.0, down * down + up * up - 2 * correlation * down * up))
