# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.sim.expert import Expert, execute
from training.expert_labels import label_chunk, scene_labels

FROM_BASE = np.array([0.6, 0.0, 0.0])


def test_chunk_is_what_the_expert_then_does_and_changes_nothing(robot):
    robot.reset(3)
    before = np.concatenate([robot.data.qpos, robot.data.qvel, robot.data.ctrl])
    picture = robot.render()["wrist"]
    chunk = label_chunk(robot, robot.task, horizon=10)
    assert np.array_equal(
        np.concatenate([robot.data.qpos, robot.data.qvel, robot.data.ctrl]), before
    )
    assert np.array_equal(robot.render()["wrist"], picture)
    expert = Expert(robot, robot.task)
    for row in chunk:
        action = expert.act()
        assert np.array_equal(row, action.label())
        execute(robot, action)


def test_lifting_in_a_label_is_not_remembered(robot):
    robot.reset(3)
    label_chunk(robot, robot.task, horizon=40)
    assert robot.first_lifted is None


def test_chunk_follows_the_instruction(robot):
    robot.reset(3)
    chunks = []
    for name in robot.task.present:
        robot.task.target = name
        chunks.append(label_chunk(robot, robot.task))
    assert np.abs(chunks[0] - chunks[1])[-1, :7].max() > 0.05


def test_scene_is_measured_from_the_robots_base(robot):
    robot.reset(3)
    labels = scene_labels(robot, robot.task)
    assert robot.task.objects[labels["target"]] == robot.task.target
    row = labels["positions"][labels["target"]]
    assert row == pytest.approx(robot.object_position(robot.task.target) + FROM_BASE, abs=1e-6)
    assert labels["tip"] == pytest.approx(robot.tool_position + FROM_BASE, abs=1e-6)
    assert labels["uv"].shape == (6, 2, 2)
    inside = labels["uv"][labels["target"], 0]
    assert np.all(inside > 0) and np.all(inside < 1)
