# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from training import demonstrations
from training.demonstrations import record_episode

SEEDS = range(0, 4)
COLUMNS = {
    "images": ((2, 96, 96, 3), np.uint8),
    "joints": ((8,), np.float32),
    "tip": ((3,), np.float32),
    "action": ((8,), np.float32),
    "event": ((), np.bool_),
    "target": ((), np.int8),
    "positions": ((6, 3), np.float32),
    "uv": ((6, 2, 2), np.float32),
    "phase": ((), np.int8),
    "disturbed": ((), np.bool_),
    "episode": ((), np.int64),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    out = tmp_path_factory.mktemp("demonstrations")
    demonstrations._record_file(SEEDS, out)
    return out


def test_file_has_the_documented_columns(recorded):
    (file,) = recorded.iterdir()
    assert file.name == "demos_0000000.npz"
    with np.load(file) as data:
        assert set(data.files) == set(COLUMNS)
        count = len(data["episode"])
        for key, (shape, dtype) in COLUMNS.items():
            assert data[key].shape == (count, *shape), key
            assert data[key].dtype == dtype, key


def test_labels_stay_clean_while_the_arm_is_disturbed(recorded):
    with np.load(recorded / "demos_0000000.npz") as data:
        assert 0.02 < data["disturbed"].mean() < 0.4
        assert data["event"].any()
        assert set(np.unique(data["action"][:, 7])) == {np.float32(0.0), np.float32(0.04)}
        offsets = np.abs(data["action"] - data["joints"])[:, :7]
        assert offsets.max() < 0.35
        approach = data["phase"] == 0
        assert np.all(data["action"][approach, 7] == np.float32(0.04))


def test_instruction_switches_are_marked_as_events(recorded):
    """Wherever the named object changes within an episode, the label stream is cut."""
    with np.load(recorded / "demos_0000000.npz") as data:
        same_episode = data["episode"][1:] == data["episode"][:-1]
        switched = np.flatnonzero(same_episode & (np.diff(data["target"]) != 0)) + 1
        assert len(switched) > 0
        assert data["event"][switched].all()


def test_existing_file_is_skipped(recorded, monkeypatch):
    def fail(*_):
        raise AssertionError("recorded again")

    monkeypatch.setattr(demonstrations, "record_episode", fail)
    demonstrations._record_file(SEEDS, recorded)


def test_failed_episodes_are_dropped_and_nothing_half_written_stays(tmp_path, monkeypatch):
    def episode(robot, seed):
        return seed % 2 == 0, {"episode": [np.int64(seed)] * 3}

    monkeypatch.setattr(demonstrations, "record_episode", episode)
    monkeypatch.setattr("quantvla_ros.sim.robot.SimulatedRobot", Mock())
    demonstrations._record_file(range(10, 14), tmp_path)
    (file,) = tmp_path.iterdir()
    with np.load(file) as data:
        assert data["episode"].tolist() == [10] * 3 + [12] * 3


def test_same_seed_same_episode(robot, monkeypatch):
    monkeypatch.setattr(demonstrations, "MAX_TICKS", 12)
    (_, first), (_, second) = record_episode(robot, 11), record_episode(robot, 11)
    assert np.array_equal(first["action"], second["action"])
    assert np.array_equal(first["images"], second["images"])
