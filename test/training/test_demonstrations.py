# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
from support.made_up_frames import episodes

from quantvla_ros.errors import QuantVLAError
from training import demonstrations, recording
from training.data.reader import DataSet
from training.demonstrations import FPS, record_episode, record_part
from training.disturbance import Disturbance, start
from training.recording import Job, families, jobs, record, seed_range

SEEDS = range(0, 3)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    out = tmp_path_factory.mktemp("demonstrations")
    plan = [Job(out, "pick_place", SEEDS, FPS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "run_all", lambda work, todo, *_: [work(job) for job in todo])
        record(record_part, plan, 1)
    return DataSet(out)


def test_labels_stay_clean_while_the_arm_is_disturbed(recorded):
    data = recorded.columns(["action", "observation.state", "chunk", "disturbed", "weight"])
    assert 0.0 < data["disturbed"].mean() < 0.5
    assert set(np.unique(data["action"][:, 7])) == {np.float32(0.0), np.float32(0.04)}
    assert np.abs(data["action"] - data["observation.state"])[:, :7].max() < 0.35
    assert np.array_equal(data["chunk"][:, 0], data["action"])


def test_instruction_switches_are_marked_as_events(recorded):
    """Wherever the named object changes within an episode, the label stream is cut."""
    data = recorded.columns(["event", "goal.object", "episode_index", "chunk_valid"])
    same = data["episode_index"][1:] == data["episode_index"][:-1]
    switched = np.flatnonzero(same & (data["goal.object"][1:] != data["goal.object"][:-1])) + 1
    assert len(switched) > 0
    assert data["event"][switched].all()
    assert not data["chunk_valid"][switched - 1, 1:].any()


def test_sentence_names_the_goal(recorded):
    for number in range(len(recorded.episodes)):
        frames = recorded.episode(number)
        for sentence, thing in zip(frames["task"], frames["goal.object"], strict=True):
            assert sentence == f"put the {thing} in the basket"


def test_same_seed_same_episode(robot, monkeypatch):
    monkeypatch.setattr(demonstrations, "MAX_TICKS", 8)
    (_, first), (_, second) = record_episode(robot, 11), record_episode(robot, 11)
    for key in ("action", "observation.images.wrist", "disturbed"):
        assert np.array_equal([row[key] for row in first], [row[key] for row in second]), key


def test_kept_frames_are_those_of_the_whole_recording(robot, monkeypatch):
    monkeypatch.setattr(demonstrations, "MAX_TICKS", 12)
    (_, thin), (_, whole) = record_episode(robot, 11, every=5), record_episode(robot, 11)
    assert len(thin) == 2
    for row, same in zip(thin, whole[4::5], strict=True):
        for key in ("chunk", "observation.images.front", "seed"):
            assert np.array_equal(row[key], same[key]), key


def test_some_episodes_start_with_a_closed_empty_hand(robot):
    openings = []
    for seed in range(15, 23):  # 17 and 22 draw a closed hand
        start(robot, seed, np.random.default_rng(seed))
        openings.append(robot.opening)
    assert min(openings) < 0.01
    assert max(openings) > 0.07


def test_wrong_hand_is_executed_for_some_ticks_and_then_over(robot):
    robot.reset(0)
    expert = robot.task.expert(robot)
    plan = Disturbance(np.random.default_rng(0))
    plan.switch_tick, plan.hand_tick, plan.burst_ticks = -1, 0, []
    assert plan.begin_tick(0, robot, expert)
    action = expert.act()
    count = 0
    while plan.active:
        assert plan.apply(action, robot, 0.0).finger == pytest.approx(0.04 - action.finger)
        count += 1
    assert 2 <= count <= 5
    assert plan.apply(action, robot, 0.0).finger == action.finger


def test_recording_resumes(tmp_path, monkeypatch):
    done = []

    def work(job):
        from training.data.parts import write_part

        if job.name == "push-0000002" and len(done) == 2:
            done.append("failed")
            raise KeyboardInterrupt
        done.append(job.name)
        write_part(job.path, episodes(0, [2]), FPS)
        return job.name

    monkeypatch.setattr(recording, "run_all", lambda work, todo, *_: [work(job) for job in todo])
    plan = jobs(tmp_path, ["pick_place", "push"], range(0, 4), 2, FPS)
    plan.sort(key=lambda job: job.name)
    with pytest.raises(KeyboardInterrupt):
        record(work, [*plan[:2], plan[3]], 1)
    record(work, plan, 1)
    record(work, plan, 1)
    names = [name for name in done if name != "failed"]
    assert sorted(names) == [job.name for job in plan]
    assert len(DataSet(tmp_path)) == 8
    assert json.loads((tmp_path / "meta/parts.json").read_text())["parts"] == sorted(names)


def test_a_data_set_keeps_its_rate(tmp_path, monkeypatch):
    def work(job):
        from training.data.parts import write_part

        write_part(job.path, episodes(0, [2]), job.fps)

    monkeypatch.setattr(recording, "run_all", lambda work, todo, *_: [work(job) for job in todo])
    record(work, jobs(tmp_path, ["push"], range(0, 2), 2, 2), 1)
    with pytest.raises(QuantVLAError, match="holds 2 frames a second, not 10"):
        record(work, jobs(tmp_path, ["push"], range(0, 4), 2, 10), 1)


def test_bad_arguments():
    with pytest.raises(QuantVLAError, match="'5:5' names no seeds; write FIRST:LAST"):
        seed_range("5:5")
    with pytest.raises(QuantVLAError, match="Unknown task 'juggle'"):
        families("push,juggle")
    assert "push" in families("all")
