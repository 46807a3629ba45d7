# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.robot import SimulatedRobot
from simulation.scene import TIMESTEP_S


def scene_of(robot) -> np.ndarray:
    return np.array(robot.data.qpos)


def test_same_seed_same_scene_and_another_seed_another(robot):
    robot.reset(7)
    first, goal = scene_of(robot), robot.task.goal
    robot.reset(8)
    other = scene_of(robot)
    robot.reset(7)
    assert np.array_equal(scene_of(robot), first)
    assert robot.task.goal == goal
    assert not np.allclose(other, first, atol=1e-3)


def test_another_goal_changes_nothing_but_the_instruction(robot):
    robot.reset(7)
    scene = scene_of(robot)
    for number, goal in enumerate(robot.task.goals):
        robot.reset(7, goal=number)
        assert np.array_equal(scene_of(robot), scene)
        assert robot.task.goal == goal
        assert robot.instruction == f"put the {goal.object} in the basket"


def test_goal_counts_modulo_the_goals_of_the_scene(robot):
    robot.reset(7, goal=1)
    second = robot.task.goal
    robot.reset(7, goal=1 + len(robot.task.goals))
    assert robot.task.goal == second


def test_wordings_are_chosen_by_index_and_held_out_ones_by_a_negative_one(robot):
    robot.reset(7, wording=1)
    name = robot.task.goal.object
    assert robot.instruction == f"place the {name} in the basket"
    for number, template in enumerate(robot.task.held_out_wordings):
        robot.reset(7, wording=-1 - number)
        assert robot.instruction == template.format(object=name, destination="basket")
    robot.reset(7, wording=len(robot.task.wordings))
    assert robot.instruction == f"put the {name} in the basket"


def test_instruction_follows_a_change_of_goal(robot):
    robot.reset(7, goal=0)
    robot.task.goal = robot.task.goals[2]
    assert robot.instruction == f"put the {robot.task.goals[2].object} in the basket"


def test_unknown_task_is_refused_with_the_list():
    with pytest.raises(QuantVLAError, match=r"'juggle'.*pick_place"):
        SimulatedRobot("juggle")


def test_one_robot_plays_scenes_of_several_tasks(robot):
    try:
        robot.change_task("push")
        robot.reset(0)
        assert robot.instruction.startswith("push") and not robot.success()
    finally:
        robot.change_task("pick_place")
    robot.reset(0)
    assert robot.instruction.endswith("in the basket")


def test_time_starts_at_zero_and_advances(robot):
    robot.reset(0)
    assert robot.time == 0.0
    robot.advance(0.1)
    assert robot.time == pytest.approx(0.1)


def test_setpoint_is_asked_at_each_step_of_the_physics(robot):
    robot.reset(0)
    asked: list[float] = []

    def hold(time: float) -> np.ndarray:
        asked.append(time)
        return robot.commanded

    robot.advance(0.02, hold)
    assert asked == pytest.approx(np.arange(10) * TIMESTEP_S, abs=1e-9)


def test_arm_follows_a_ramp_closely(robot):
    robot.reset(0)
    start = robot.commanded
    speed = np.array([0.5, -0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0])
    robot.advance(0.4, lambda time: start + speed * time)
    assert np.abs(robot.velocities[:7] - speed[:7]).max() < 0.05
    lag = (robot.commanded - robot.positions)[:7] / speed[:7]
    assert np.all(lag > 0.0) and np.all(lag < 0.05)


def test_fingers_mirror_each_other(robot):
    robot.reset(0)
    assert robot.opening == pytest.approx(0.08, abs=1e-3)
    command = robot.commanded
    command[7] = 0.01
    robot.command(command)
    robot.advance(1.0)
    assert robot.positions[7] == pytest.approx(0.01, abs=1e-3)
    assert robot.opening == pytest.approx(0.02, abs=2e-3)


def test_restored_state_repeats_the_motion_exactly(robot):
    def move() -> np.ndarray:
        start, begin = robot.commanded, robot.time
        robot.advance(0.3, lambda time: start + 0.4 * (time - begin) * np.append(np.ones(7), 0.0))
        return np.concatenate([robot.data.qpos, robot.data.qvel, robot.tool_position])

    robot.reset(4)
    robot.advance(0.1)
    saved = robot.save_state()
    before = (robot.time, robot.positions, robot.tool_position, robot.commanded)
    first = move()
    robot.restore_state(saved)
    after = (robot.time, robot.positions, robot.tool_position, robot.commanded)
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert np.array_equal(move(), first)


def test_positions_are_of_now_and_not_one_step_old(robot):
    robot.reset(0)
    start = robot.commanded
    robot.advance(0.2, lambda time: start + np.array([time, 0, 0, 0, 0, 0, 0, 0]))
    forward, _ = robot.kinematics.forward(robot.positions[:7])
    assert np.abs(robot.tool_position - forward).max() < 1e-9
