# SPDX-License-Identifier: Apache-2.0
"""Runs the scripted experts; shared by the tests of the families."""

from __future__ import annotations

import itertools

import numpy as np

from simulation.expert import TICK_S, execute

MAX_TICKS = 75


def run(robot, expert=None, until=lambda expert: expert.done, ticks=MAX_TICKS):
    """Let the expert work; returns it and the commands [ticks + 1, 8]."""
    expert = robot.task.expert(robot) if expert is None else expert
    commands = [robot.commanded]
    for _ in range(ticks):
        execute(robot, expert.act())
        commands.append(robot.commanded)
        if until(expert):
            return expert, np.stack(commands)
    raise AssertionError(f"not finished after {ticks} ticks, phase {expert.phase.name}")


def solved(robot, seed, goal=None):
    """Whether the expert solves the scene of `seed`, within speed limits and time."""
    robot.reset(seed, goal)
    try:
        _, commands = run(robot)
    except AssertionError:
        return False
    speeds = np.abs(np.diff(commands, axis=0)) / TICK_S
    assert speeds[:, :7].max() < 2.0
    assert speeds[:, 7].max() <= 0.2 + 1e-9
    return robot.success() and robot.first_moved == robot.task.goal.object


def resumes_everywhere(robot, seed, every=3):
    """Whether a fresh expert finishes from every third state of another one's episode."""
    robot.reset(seed)
    states = []
    expert = robot.task.expert(robot)
    for tick in itertools.count():
        if tick % every == 0:
            states.append(robot.save_state())
        execute(robot, expert.act())
        if expert.done:
            break
    for state in states:
        robot.restore_state(state)
        run(robot, robot.task.resume_expert(robot))
        assert robot.success()
