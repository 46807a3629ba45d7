# SPDX-License-Identifier: Apache-2.0
"""Which goal of the scene an operator's sentence means, so that success can be judged by it."""

from __future__ import annotations

from simulation.tasks.task import Goal, Task

_SHOWN = 80  # characters of a sentence


def meant_goal(task: Task, sentence: str) -> Goal | None:
    """Return the goal whose object and then destination the sentence names.

    A sentence without a destination means the first goal of the object that it names; None when
    it names no object of the scene.
    """
    whole = [g for g in task.goals if 0 <= sentence.find(g.object) < _destination(g, sentence)]
    named = [g for g in task.goals if g.object in sentence]
    return next(iter(whole + named), None)


def no_goal_meant(task: Task, sentence: str) -> str:
    """What to tell the operator of a sentence for which `meant_goal` finds no goal."""
    asked = ", ".join(dict.fromkeys(f"'{goal.object}'" for goal in task.goals))
    return (
        f"The instruction {sentence[:_SHOWN]!r} names no object of this scene, which has: {asked}. "
        f"Success is still judged for '{task.goal.object}' to '{task.goal.destination}'."
    )


def _destination(goal: Goal, sentence: str) -> int:
    return sentence.find(goal.destination, sentence.find(goal.object) + len(goal.object))
