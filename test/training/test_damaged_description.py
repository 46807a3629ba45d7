# SPDX-License-Identifier: Apache-2.0
"""Damage to what describes a data set, under `meta/`, is refused in one sentence."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.made_up_frames import episodes

from quantvla_ros.errors import QuantVLAError
from training.data.finish import PARTS_PATH, finish, finished_parts, recorded_fps
from training.data.parts import part_path, write_part
from training.data.reader import DataSet
from training.data.schema import EPISODES_PATH, INFO_PATH, TASKS_PATH

FPS = 10


@pytest.fixture
def directory(tmp_path):
    write_part(part_path(tmp_path, "a"), episodes(0, [2, 3]), FPS)
    finish(tmp_path, FPS)
    return tmp_path


def read(directory):
    data = DataSet(directory)
    return len(data), data.info["fps"], [row["length"] for row in data.episodes], data.sentences


def sentence(path, what):
    return rf"^\S*{path.rpartition('/')[2]} is damaged \({what}\); restore it or record again\.$"


@pytest.mark.parametrize("path", [TASKS_PATH, EPISODES_PATH])
def test_no_flipped_bit_and_no_cut_is_read_as_something_else(directory, path):
    whole, good = (directory / path).read_bytes(), read(directory)
    refused = 0
    for place in range(0, len(whole), 11):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        for content in (flipped, whole[:place]):
            (directory / path).write_bytes(content)
            try:
                assert read(directory) == good
            except QuantVLAError as error:
                assert re.match(r"^\S+\.parquet is (damaged|missing).*\.$", str(error)), error
                refused += 1
    assert refused > len(whole) / 11  # every cut, and flips beside


@pytest.mark.parametrize(
    ("path", "column"),
    [(TASKS_PATH, "task"), (EPISODES_PATH, "length"), (EPISODES_PATH, "data/file_index")],
)
def test_a_column_that_is_missing_is_named(directory, path, column):
    table = pq.read_table(directory / path)
    pq.write_table(table.drop_columns([column]), directory / path)
    with pytest.raises(QuantVLAError, match=sentence(path, f"it does not say {column}")):
        read(directory)


def test_a_value_that_is_missing_is_named(directory):
    table = pq.read_table(directory / EPISODES_PATH)
    place = table.schema.get_field_index("length")
    table = table.set_column(place, "length", pa.array([2, None]))
    pq.write_table(table, directory / EPISODES_PATH)
    with pytest.raises(QuantVLAError, match=sentence(EPISODES_PATH, "it does not say length")):
        read(directory)


@pytest.mark.parametrize("path", [TASKS_PATH, EPISODES_PATH])
def test_a_file_that_is_missing_is_named(directory, path):
    (directory / path).unlink()
    with pytest.raises(QuantVLAError, match=r"parquet is missing; restore it or record again\.$"):
        read(directory)


@pytest.mark.parametrize("key", ["total_frames", "fps"])
def test_info_must_say_it(directory, key):
    info = json.loads((directory / INFO_PATH).read_text())
    for content in ({k: v for k, v in info.items() if k != key}, info | {key: "many"}):
        (directory / INFO_PATH).write_text(json.dumps(content))
        with pytest.raises(QuantVLAError, match=sentence(INFO_PATH, f"it does not say {key}")):
            read(directory)


@pytest.mark.parametrize(
    ("content", "what"), [(b"[]", "it holds no description"), (b"{", ".*"), (b"\xff", ".*")]
)
def test_info_that_is_none_is_refused(directory, content, what):
    (directory / INFO_PATH).write_bytes(content)
    with pytest.raises(QuantVLAError, match=rf"info\.json is damaged \({what}\); .* again\.$"):
        read(directory)


def test_a_data_set_whose_sentences_are_damaged_does_not_grow(directory):
    tasks = directory / TASKS_PATH
    tasks.write_bytes(tasks.read_bytes()[:-100])
    write_part(part_path(directory, "b"), episodes(1, [2]), FPS)
    with pytest.raises(QuantVLAError, match=sentence(TASKS_PATH, ".*")):
        finish(directory, FPS)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[]", "it holds no description"),
        ('{"parts": 3}', "it does not say parts"),
        ('{"parts": ["a"', ".*"),
    ],
)
def test_a_data_set_whose_list_of_parts_is_damaged_does_not_grow(directory, content, what):
    (directory / PARTS_PATH).write_text(content)
    write_part(part_path(directory, "b"), episodes(1, [2]), FPS)
    with pytest.raises(QuantVLAError, match=sentence(PARTS_PATH, what)):
        finish(directory, FPS)
    assert part_path(directory, "b").exists()
    with pytest.raises(QuantVLAError, match=sentence(PARTS_PATH, what)):
        finished_parts(directory)


@pytest.mark.parametrize("content", ["{}", '{"fps": "ten"}', "{"])
def test_a_rate_that_is_damaged_is_told(directory, content):
    (directory / INFO_PATH).write_text(content)
    with pytest.raises(QuantVLAError, match=sentence(INFO_PATH, ".*")):
        recorded_fps(directory)
