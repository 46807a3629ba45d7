# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.sim.expert import TICK_S, Action, Expert, Phase, execute, executed

MAX_TICKS = 80


def run(robot, until=lambda expert: expert.done) -> list[np.ndarray]:
    """Let the expert work; returns the commands at the ticks."""
    expert = Expert(robot, robot.task)
    commands = [robot.commanded]
    for _ in range(MAX_TICKS):
        execute(robot, expert.act())
        commands.append(robot.commanded)
        if until(expert):
            return commands
    raise AssertionError(f"not finished after {MAX_TICKS} ticks, phase {expert.phase.name}")


@pytest.mark.parametrize("seed", range(6))
def test_expert_solves_the_task_within_speed_limits(robot, seed):
    robot.reset(seed)
    commands = run(robot)
    assert robot.success()
    assert robot.first_lifted == robot.task.target
    speeds = np.abs(np.diff(commands, axis=0)) / TICK_S
    assert speeds[:, :7].max() < 1.9
    assert speeds[:, 7].max() <= 0.2 + 1e-9


def test_the_instruction_decides_which_object_is_lifted(robot):
    robot.reset(2)
    for name in robot.task.present:
        robot.reset(2, instruction_object=name)
        run(robot, until=lambda expert: expert.phase is Phase.CARRY)
        assert robot.first_lifted == name


def test_command_between_ticks_is_a_straight_line(robot):
    robot.reset(0)
    start = robot.commanded
    goal = start[:7] + 0.05
    setpoint = executed(robot, Action(goal, 0.0))
    for share in (0.25, 0.5, 1.0, 1.5):
        expected = start + min(share, 1.0) * np.append(np.full(7, 0.05), -0.02)
        assert setpoint(robot.time + share * TICK_S) == pytest.approx(expected)
    execute(robot, Action(goal, 0.0))
    assert robot.commanded == pytest.approx(np.append(goal, 0.02))


def test_expert_resumes_in_every_phase_and_finishes(robot):
    for phase in Phase:
        robot.reset(1)
        run(robot, until=lambda expert, phase=phase: expert.phase is phase)
        expert = Expert.resume(robot, robot.task)
        for _ in range(MAX_TICKS):
            execute(robot, expert.act())
            if expert.done:
                break
        assert robot.success(), phase.name


def test_expert_resumes_by_opening_after_gripping_nothing(robot):
    robot.reset(1)
    command = robot.commanded
    command[7] = 0.0
    robot.command(command)
    robot.advance(1.0)
    assert Expert.resume(robot, robot.task).act().finger == 0.04


def test_expert_resumes_with_a_held_object_by_lifting_it(robot):
    robot.reset(1)
    run(robot, until=lambda expert: expert.phase is Phase.LIFT)
    robot.advance(0.3)
    expert = Expert.resume(robot, robot.task)
    action = expert.act()
    assert expert.phase is Phase.LIFT and action.finger == 0.0
    height = robot.kinematics.forward(action.arm)[0][2]
    assert height > robot.tool_position[2]


def test_expert_lets_a_wrong_object_go(robot):
    robot.reset(1)
    run(robot, until=lambda expert: expert.phase is Phase.CARRY)
    robot.task.target = next(n for n in robot.task.present if n != robot.task.target)
    expert = Expert.resume(robot, robot.task)
    assert expert.act().finger == 0.04 and expert.phase is Phase.APPROACH
