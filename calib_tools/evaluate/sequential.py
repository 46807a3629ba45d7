# SPDX-License-Identifier: Apache-2.0
"""`--stop-when-decided`: one rule, fixed before the first episode, for ending early.

The rule looks at the results `LOOKS` times, after equal parts of the planned episodes, always at
the first so many of the list, played by every variant; it never looks at anything else. The chance
of an error, `ALPHA`, is shared equally by all looks and all pairs of variants (Bonferroni), so that
looking often finds no differences that are not there. With "the level" 1 - ALPHA / looks / pairs:

- a pair is DIFFERENT when McNemar's exact p is below ALPHA / looks / pairs,
- a pair is EQUAL when the interval of its difference at the level lies within +-`MARGIN`,
- a variant that is alone is KNOWN when half its Wilson interval at the level is below `MARGIN`.

The evaluation ends at the first look at which every pair (or the lone variant) is decided.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from calib_tools.evaluate.statistics import Paired, Rate

LOOKS = 5
ALPHA = 0.05
MARGIN = 0.05

Decision = Literal["different", "equal", "known", "open"]


def look_sizes(planned: int, block: int) -> list[int]:
    """Episodes of the list after which to look.

    Args:
        planned: length of the list.
        block: looks come after whole blocks of so many: a scene of every task and shift.
    """
    blocks = planned // block
    sizes = {block * -(-blocks * k // LOOKS) for k in range(1, LOOKS + 1)}
    return sorted(size for size in sizes if size)


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        episodes: of each variant, looked at.
        decisions: "first | second", or a lone variant's label -> decision.
    """

    episodes: int
    decisions: dict[str, Decision]

    @property
    def decided(self) -> bool:
        """Whether to stop."""
        return "open" not in self.decisions.values()


def look(successes: Mapping[str, Sequence[bool]]) -> Look:
    """Judge the successes of each variant on the same episodes, in the list's order."""
    labels = list(successes)
    count = len(successes[labels[0]])
    if len(labels) == 1:
        rate = Rate(sum(successes[labels[0]]), count, 1 - ALPHA / LOOKS)
        low, high = rate.interval
        return Look(count, {labels[0]: "known" if (high - low) / 2 < MARGIN else "open"})
    pairs = list(itertools.combinations(labels, 2))
    share = ALPHA / LOOKS / len(pairs)
    decisions: dict[str, Decision] = {}
    for first, second in pairs:
        table = Paired.of(zip(successes[first], successes[second], strict=True))
        decisions[f"{first} | {second}"] = _decide(table, share)
    return Look(count, decisions)


def _decide(table: Paired, share: float) -> Decision:
    if table.p_value < share:
        return "different"
    low, high = table.interval(1 - share)
    return "equal" if max(-low, high) < MARGIN else "open"
