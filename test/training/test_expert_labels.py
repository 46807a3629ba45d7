# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from simulation.expert import Action, Phase, execute
from training.data.schema import FEATURES
from training.expert_labels import frame_weight, label_chunk, observed

FROM_BASE = np.array([0.6, 0.0, 0.0])


def test_chunk_is_what_the_expert_then_does_and_changes_nothing(robot):
    robot.reset(3)
    before = np.concatenate([robot.data.qpos, robot.data.qvel, robot.data.ctrl])
    picture = robot.render()["wrist"]
    chunk = label_chunk(robot, horizon=10)
    assert np.array_equal(
        np.concatenate([robot.data.qpos, robot.data.qvel, robot.data.ctrl]), before
    )
    assert np.array_equal(robot.render()["wrist"], picture)
    expert = robot.task.expert(robot)
    for row in chunk:
        action = expert.act()
        assert np.array_equal(row, action.label())
        execute(robot, action)


def test_lifting_in_a_label_is_not_remembered(robot):
    robot.reset(3)
    label_chunk(robot, horizon=40)
    assert robot.first_moved is None


def test_chunk_follows_the_instruction(robot):
    robot.reset(3)
    chunks = []
    for goal in robot.task.goals:
        robot.task.goal = goal
        chunks.append(label_chunk(robot))
    assert np.abs(chunks[0] - chunks[1])[-1, :7].max() > 0.05


def test_scene_is_measured_from_the_robots_base(robot):
    robot.reset(3)
    row = observed(robot)
    name = robot.task.goal.object
    assert row["goal.object"] == name
    assert name in row["task"]
    assert row["scene.object"] == pytest.approx(robot.object_position(name) + FROM_BASE, abs=1e-6)
    goal = robot.task.goal_position(robot)
    assert row["scene.place"] == pytest.approx(goal + FROM_BASE, abs=1e-6)
    assert row["observation.tip"] == pytest.approx(robot.tool_position + FROM_BASE, abs=1e-6)
    front = row["scene.object_uv"][0]
    assert np.all(front > 0) and np.all(front < 1)
    assert not np.array_equal(row["scene.object_uv"], row["scene.place_uv"])
    recorded_later = {"action", "chunk", "chunk_valid", "event", "disturbed", "weight", "seed"}
    assert set(row) == set(FEATURES) - recorded_later | {"task"}


def test_approach_with_the_wrong_hand_counts_most(robot):
    robot.reset(3)
    arm = robot.positions[:7]
    weights = [
        frame_weight(robot, Action(arm, finger), phase)
        for finger, phase in (
            (0.0, Phase.APPROACH), (0.04, Phase.APPROACH), (0.0, Phase.CLOSE), (0.0, Phase.CARRY)
        )
    ]  # fmt: skip
    assert weights == [3.0, 1.0, 1.0, 0.5]
