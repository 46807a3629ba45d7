# SPDX-License-Identifier: Apache-2.0
"""The written data set: what it holds, and that damage is refused in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.made_up_frames import episodes, frame

from quantvla_ros.errors import QuantVLAError
from training.data.finish import data_file, finish, finished_parts
from training.data.parts import part_path, write_part
from training.data.reader import DataSet
from training.data.schema import FEATURES, IMAGE_KEYS

FPS = 10


@pytest.fixture
def recorded():
    return episodes(0, [3, 5]), episodes(1, [4])


@pytest.fixture
def directory(tmp_path, recorded):
    for name, part in zip(("b", "a"), recorded, strict=True):
        write_part(part_path(tmp_path, name), part, FPS)
    finish(tmp_path, FPS)
    return tmp_path


def rows_in_order(recorded):
    """Parts are numbered by name."""
    return [row for part in reversed(recorded) for episode in part for row in episode]


def test_reads_back_exactly(directory, recorded):
    data = DataSet(directory)
    rows = rows_in_order(recorded)
    assert len(data) == len(rows) == 12
    numbers = [key for key in FEATURES if key not in IMAGE_KEYS]
    columns = data.columns(numbers)
    for key in numbers:
        expected = np.stack([row[key] for row in rows])
        assert np.array_equal(columns[key], expected), key
        if FEATURES[key].dtype != "string":
            assert columns[key].dtype == expected.dtype, key
    pictures = data.pictures()
    for camera, key in enumerate(IMAGE_KEYS):
        assert np.array_equal(pictures[:, camera], np.stack([row[key] for row in rows]))


def test_episode_is_cut_out_of_its_file(directory, recorded):
    data = DataSet(directory)
    assert [row["length"] for row in data.episodes] == [4, 3, 5]
    frames = data.episode(2)
    source = recorded[0][1]
    assert np.array_equal(frames["action"], np.stack([row["action"] for row in source]))
    assert np.array_equal(frames[IMAGE_KEYS[1]][4], source[4][IMAGE_KEYS[1]])
    assert frames["timestamp"] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert frames["task"] == [row["task"] for row in source]
    with pytest.raises(QuantVLAError, match="no episode 3; it has 0 to 2"):
        data.episode(3)


def test_numbers_are_those_of_the_layout(directory):
    data = DataSet(directory)
    columns = data.columns(["index", "episode_index", "frame_index", "task_index"])
    assert columns["index"].tolist() == list(range(12))
    assert columns["episode_index"].tolist() == [0] * 4 + [1] * 3 + [2] * 5
    assert columns["frame_index"].tolist() == [0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3, 4]
    info = json.loads((directory / "meta/info.json").read_text())
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (3, 12, 1)
    assert info["features"]["action"]["shape"] == [8]
    assert info["features"][IMAGE_KEYS[0]]["dtype"] == "image"
    schema = pq.read_schema(data_file(directory, 0))
    assert set(schema.names) == set(info["features"])
    assert str(schema.field(IMAGE_KEYS[0]).type) == "struct<bytes: binary, path: string>"
    assert pq.read_metadata(data_file(directory, 1)).num_row_groups == 2  # one an episode


def test_statistics_are_those_of_the_columns(directory):
    stats = json.loads((directory / "meta/stats.json").read_text())
    values = DataSet(directory).columns(["action"])["action"]
    assert stats["action"]["mean"] == pytest.approx(values.mean(0).tolist(), abs=1e-6)
    assert stats["action"]["std"] == pytest.approx(values.std(0).tolist(), abs=1e-6)
    assert stats["action"]["max"] == pytest.approx(values.max(0).tolist())
    assert stats["action"]["count"] == [12]
    assert np.shape(stats[IMAGE_KEYS[0]]["mean"]) == (3, 1, 1)


def test_grows_without_renumbering(directory):
    before = data_file(directory, 1).read_bytes()
    rng = np.random.default_rng(5)
    more = [[frame(rng, "push the milk to the red square")]]
    write_part(part_path(directory, "0"), more, FPS)
    finish(directory, FPS)
    data = DataSet(directory)
    assert finished_parts(directory) == ["a", "b", "0"]
    assert data_file(directory, 1).read_bytes() == before
    assert data.episode(3)["task"] == ["push the milk to the red square"]
    assert data.sentences[0] == "put the butter in the basket"
    assert len(data.pictures()) == 13


def test_interrupted_finish_is_done_again(directory, monkeypatch):
    write_part(part_path(directory, "c"), episodes(3, [2]), FPS)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.data.finish.write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            finish(directory, FPS)
    finish(directory, FPS)
    assert len(DataSet(directory)) == 14
    assert not list(directory.rglob("*.part"))


def test_picture_cache_follows_the_files(directory):
    DataSet(directory).pictures()
    write_part(part_path(directory, "c"), episodes(7, [2]), FPS)
    finish(directory, FPS)
    assert len(DataSet(directory).pictures()) == 14


def truncated(file):
    file.write_bytes(file.read_bytes()[:-100])


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x40
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [truncated, flipped])
def test_damaged_file_is_named(directory, damage):
    file = data_file(directory, 0)
    damage(file)
    with pytest.raises(QuantVLAError, match=r"file-000.parquet is damaged .*record again\.$"):
        DataSet(directory).pictures()


def test_missing_file_is_named(directory):
    data_file(directory, 1).unlink()
    with pytest.raises(QuantVLAError, match=r"file-001.parquet is missing; restore it"):
        DataSet(directory)


def test_no_data_set(tmp_path):
    with pytest.raises(QuantVLAError, match="There is no finished data set in"):
        DataSet(tmp_path)
    with pytest.raises(QuantVLAError, match="There is nothing recorded in"):
        finish(tmp_path, FPS)


def test_other_layout_is_refused(directory):
    path = directory / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"codebase_version": "v2.1"}))
    with pytest.raises(QuantVLAError, match=r"another layout \(v2.1\)"):
        DataSet(directory)


def test_part_without_episodes_is_refused(tmp_path):
    with pytest.raises(QuantVLAError, match="no successful episode for push-0000000"):
        write_part(part_path(tmp_path, "push-0000000"), [], FPS)
