# SPDX-License-Identifier: Apache-2.0
"""The list of episodes that every variant plays: scene, instruction, wording and shift of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_SEED = 5_000_000
"""Far from the seeds of demonstrations and corrections."""

GOALS_A_SCENE = 2
NO_SHIFT = "none"


@dataclass(frozen=True)
class PlannedEpisode:
    """One episode, the same for every variant.

    Attributes:
        index: place in the list, from 0.
        task: name of the task family.
        shift: named settings of the simulated robot joined by "+", or "none".
        seed: of the scene and of the flow noise.
        goal: which of the scene's goals the instruction names (modulo their number).
        wording: index of the instruction's template; a negative one counts the held-out templates
            from -1.
    """

    index: int
    task: str
    shift: str
    seed: int
    goal: int
    wording: int

    @property
    def shifts(self) -> tuple[str, ...]:
        """The named settings one by one."""
        return () if self.shift == NO_SHIFT else tuple(self.shift.split("+"))


def plan_episodes(
    wordings: Mapping[str, Sequence[int]], shifts: Sequence[str], episodes: int, first_seed: int
) -> list[PlannedEpisode]:
    """List the episodes; every beginning of the list is balanced over tasks and shifts.

    Each scene comes with two instructions (two goals, in one wording): a policy that does not
    listen cannot solve both.

    Args:
        wordings: task -> indexes of the wordings to take in turn.
        shifts: conditions, each played with the same scenes.
        episodes: of each task and shift, even.
        first_seed: seed of the first scene; the next scenes follow it.
    """
    planned: list[PlannedEpisode] = []
    for scene in range(episodes // GOALS_A_SCENE):
        for task, indexes in wordings.items():
            for shift in shifts:
                for k in range(GOALS_A_SCENE):
                    wording = indexes[scene % len(indexes)]
                    planned.append(
                        PlannedEpisode(
                            len(planned), task, shift, first_seed + scene, scene + k, wording
                        )
                    )
    return planned
