# SPDX-License-Identifier: Apache-2.0
"""What holds for the scripted expert of every family."""

from __future__ import annotations

import pytest
from support.expert_trials import MAX_TICKS, resumes_everywhere, run, solved

from simulation.robot import SimulatedRobot
from simulation.tasks.registry import TASKS

OFTEN = 40


@pytest.fixture(scope="module", params=TASKS)
def family(request):
    robot = SimulatedRobot(request.param)
    yield robot
    robot.close()


@pytest.mark.slow
def test_expert_solves_nearly_every_scene(family):
    good = sum(solved(family, seed) for seed in range(OFTEN))
    assert good >= 39, f"{good} of {OFTEN}"


def test_expert_solves_every_goal_of_a_scene(family):
    family.reset(1)
    for number in range(len(family.task.goals)):
        assert solved(family, 1, number), family.instruction


def test_expert_resumes_from_any_state_of_its_own_way(family):
    resumes_everywhere(family, seed=2, every=6)


def test_expert_carries_out_an_instruction_that_changes_on_the_way(family):
    """The goal changes while the hand is already at the first object."""
    family.reset(4)
    run(family, until=lambda expert: expert.phase > 0)
    family.task.goal = next(g for g in family.task.goals if g != family.task.goal)
    run(family, family.task.resume_expert(family))
    assert family.success()


def test_expert_is_done_soon(family):
    for seed in range(2):
        family.reset(seed)
        _, commands = run(family)
        assert len(commands) <= 61 < MAX_TICKS
