# SPDX-License-Identifier: Apache-2.0
"""Which goal of the scene an operator's sentence means, so that success can be judged by it."""

from __future__ import annotations

from quantvla_ros.sim.tasks.task import Goal, Task


def meant_goal(task: Task, sentence: str) -> Goal | None:
    """Return the goal whose object and then destination the sentence names.

    A sentence without a destination means the first goal of the object that it names; None when
    it names no object of the scene.
    """
    whole = [g for g in task.goals if 0 <= sentence.find(g.object) < _destination(g, sentence)]
    named = [g for g in task.goals if g.object in sentence]
    return next(iter(whole + named), None)


def _destination(goal: Goal, sentence: str) -> int:
    return sentence.find(goal.destination, sentence.find(goal.object) + len(goal.object))
