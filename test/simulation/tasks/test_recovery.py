# SPDX-License-Identifier: Apache-2.0
"""Experts get out of what goes wrong: a policy learns from them how to."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from support.expert_trials import run

from simulation.expert import Action, Phase, execute
from simulation.robot import SimulatedRobot
from simulation.tasks.objects import grasp_object, turned
from simulation.tasks.registry import TASKS
from training.demonstrations import record_episode

EPISODES = 8


@pytest.fixture(scope="module")
def robots():
    made = {name: SimulatedRobot(name) for name in TASKS}
    yield made
    for robot in made.values():
        robot.close()


def move_to(robot, place, finger, seconds=1.5):
    """Bring the tool to a place [3], m, however it gets there."""
    arm = robot.kinematics.inverse(np.asarray(place), robot.positions[:7], iterations=60)
    start, goal, begin = robot.commanded, np.append(arm, finger), robot.time
    robot.advance(
        seconds, lambda now: start + (goal - start) * min(1.0, (now - begin) / seconds * 1.5)
    )


def lay_down(robot, name, yaw):
    """Tip a standing carton over and turn it, rad."""
    body = robot.model.body(f"{name.replace(' ', '_')}_1_main")
    start = robot.model.jnt_qposadr[body.jntadr[0]]
    pose = robot.data.qpos[start : start + 7]
    tipped = np.zeros(4)
    mujoco.mju_mulQuat(tipped, np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]), pose[3:].copy())
    pose[2], pose[3:] = 0.03, turned(tipped, yaw)
    robot.advance(0.5)


@pytest.mark.parametrize("family", TASKS)
def test_disturbed_episodes_end_in_success(robots, family, monkeypatch):
    monkeypatch.setattr(SimulatedRobot, "render", lambda robot: {"front": None, "wrist": None})
    solved = [record_episode(robots[family], seed)[0] for seed in range(EPISODES)]
    assert sum(solved) >= EPISODES - 1


@pytest.mark.parametrize("family", ["pick_place", "stack", "beside_plate"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_closed_hand_at_the_object_goes_up_opens_and_grips_it(robots, family, seed):
    robot = robots[family]
    robot.reset(seed)
    there = robot.object_position(robot.task.goal.object)
    top = there[2] + grasp_object(robot.task.goal.object).above
    move_to(robot, [there[0], there[1], top + 0.06], 0.0)
    move_to(robot, [there[0], there[1], top + 0.004], 0.0)
    assert robot.opening < 0.02
    low = robot.tool_position[2]
    expert = robot.task.resume_expert(robot)
    first = expert.act()
    assert expert.phase is Phase.APPROACH and first.finger == 0.04
    assert robot.kinematics.forward(first.arm)[0][2] > low + 0.01
    run(robot, expert)
    assert robot.success()


@pytest.mark.parametrize("yaw", [-2.1, -0.8, 0.1, 1.0, 2.7])
def test_a_fallen_carton_is_gripped_across_and_dropped_along_the_basket(robots, yaw):
    robot = robots["pick_place"]
    for seed in range(30):
        robot.reset(seed)
        asked = [g for g in robot.task.goals if grasp_object(g.object).standing]
        if asked:
            break
    robot.task.goal = asked[0]
    lay_down(robot, robot.task.goal.object, yaw)
    expert = robot.task.resume_expert(robot)
    run(robot, expert, ticks=110)
    assert robot.success()


def test_what_is_pushed_away_while_it_is_let_go_is_set_down_again(robots):
    robot = robots["stack"]
    robot.reset(3)
    expert, _ = run(robot, until=lambda expert: expert.phase is Phase.RELEASE)
    aside = robot.tool_position + np.array([0.0, 0.05, 0.01])
    arm = robot.kinematics.inverse(aside, robot.positions[:7])
    for _ in range(2):
        execute(robot, Action(arm, 0.0))
    run(robot, expert)
    assert robot.success()


def test_fingertips_that_press_on_the_floor_come_up_and_push(robots):
    robot = robots["push"]
    robot.reset(1)
    place = robot.task.expert(robot)._behind()
    move_to(robot, place + np.array([0.0, 0.0, 0.08]), 0.0)
    move_to(robot, place - np.array([0.0, 0.0, 0.03]), 0.0)
    assert robot.tool_position[2] < 0.0105
    run(robot, robot.task.resume_expert(robot))
    assert robot.success()
