# SPDX-License-Identifier: Apache-2.0
"""Short closed-loop checks of a policy in training, shared by the training's processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FIRST_SEED = 4_000_000  # seen neither in training nor in evaluation
LATENCY_S = 0.12
GOALS_A_SCENE = 2


def plan(families: Sequence[str], scenes: int) -> list[tuple[str, int, int]]:
    """Family, seed and goal of every episode of a check."""
    return [
        (family, FIRST_SEED + scene, scene + goal)
        for scene in range(scenes)
        for family in families
        for goal in range(GOALS_A_SCENE)
    ]


def play(bundle: Path, episodes: Sequence[tuple[str, int, int]]) -> list[tuple[str, bool]]:
    """Family and success of each of the episodes, played one after the other."""
    from calib_tools.evaluate.closed_loop import ClosedLoop
    from quantvla_ros.backends.policy import load_policy
    from training.robots import robot_of

    policy = load_policy(bundle, compiled=False, threads=1)
    results = []
    for family, seed, goal in episodes:
        loop = ClosedLoop(robot_of(family), policy, lambda: LATENCY_S)
        results.append((family, loop.play(seed, goal, wording=seed).success))
    return results


def rates(results: Sequence[tuple[str, bool]]) -> dict[str, float]:
    """Share of solved episodes by family."""
    solved: dict[str, list[bool]] = {}
    for family, success in sorted(results):
        solved.setdefault(family, []).append(success)
    return {family: round(sum(ended) / len(ended), 3) for family, ended in solved.items()}
