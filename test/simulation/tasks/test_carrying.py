# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from support.expert_trials import run

from simulation.expert import TICK_S, Phase


@pytest.mark.parametrize("seed", range(6))
def test_expert_solves_the_task_within_speed_limits(robot, seed):
    robot.reset(seed)
    _, commands = run(robot)
    assert robot.success()
    assert robot.first_moved == robot.task.goal.object
    speeds = np.abs(np.diff(commands, axis=0)) / TICK_S
    assert speeds[:, :7].max() < 1.9
    assert speeds[:, 7].max() <= 0.2 + 1e-9


def test_the_instruction_decides_which_object_is_lifted(robot):
    for goal in range(3):
        robot.reset(2, goal)
        run(robot, until=lambda expert: expert.phase is Phase.CARRY)
        assert robot.first_moved == robot.task.goal.object == robot.task.present[goal]


def test_expert_resumes_in_every_phase_and_finishes(robot):
    for phase in (Phase.APPROACH, Phase.CLOSE, Phase.LIFT, Phase.CARRY, Phase.RELEASE):
        robot.reset(1)
        run(robot, until=lambda expert, phase=phase: expert.phase is phase)
        run(robot, robot.task.resume_expert(robot))
        assert robot.success(), phase.name


def test_expert_resumes_by_opening_after_gripping_nothing(robot):
    robot.reset(1)
    command = robot.commanded
    command[7] = 0.0
    robot.command(command)
    robot.advance(1.0)
    assert robot.task.resume_expert(robot).act().finger == 0.04


def test_expert_resumes_with_a_held_object_by_lifting_it(robot):
    robot.reset(1)
    run(robot, until=lambda expert: expert.phase is Phase.LIFT)
    robot.advance(0.3)
    expert = robot.task.resume_expert(robot)
    action = expert.act()
    assert expert.phase is Phase.LIFT and action.finger == 0.0
    height = robot.kinematics.forward(action.arm)[0][2]
    assert height > robot.tool_position[2]


def test_expert_lets_a_wrong_object_go(robot):
    robot.reset(1)
    run(robot, until=lambda expert: expert.phase is Phase.CARRY)
    robot.task.goal = next(g for g in robot.task.goals if g != robot.task.goal)
    expert = robot.task.resume_expert(robot)
    assert expert.act().finger == 0.04 and expert.phase is Phase.APPROACH
