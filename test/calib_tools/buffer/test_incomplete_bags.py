# SPDX-License-Identifier: Apache-2.0
"""Bags whose files do not hold what their metadata.yaml promises, and some that only seem so."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from calib_tools.buffer.bags import Bag
from quantvla_ros.errors import QuantVLAError

FRAMES = 20
PROMISED = r"promises \d+ messages on '/.*' in its metadata\.yaml, and its files hold \d+"


@pytest.fixture(params=["mcap", "sqlite3"])
def storage(request):
    return request.param


@pytest.fixture
def stream(streams):
    return streams.robot(FRAMES)


@pytest.fixture
def bag(tmp_path, streams, stream, storage) -> Path:
    return streams.bag(tmp_path / "bag", stream, storage == "mcap")


def change(bag: Path, edit) -> None:
    """Rewrite the content of a bag's metadata.yaml with a function."""
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    edit(content["rosbag2_bagfile_information"])
    file.write_text(yaml.safe_dump(content))


def refused(bag: Path, config, match: str) -> None:
    with pytest.raises(QuantVLAError, match=match) as error:
        list(Bag(bag, config.topics()).messages())
    assert "\n" not in str(error.value)


QOS = (
    "- history: 3\n  depth: 0\n  reliability: 1\n  durability: 2\n"
    "  deadline: {sec: 9223372036, nsec: 854775807}\n"
    "  lifespan: {sec: 9223372036, nsec: 854775807}\n  liveliness: 1\n"
    "  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}\n"
    "  avoid_ros_namespace_conventions: false\n"
)


@pytest.mark.parametrize("topics", [["/wrist/image_raw"], None], ids=["one topic", "all topics"])
def test_a_qos_profile_that_differs_loses_no_message(bag, config, stream, topics):
    def edit(information):
        for topic in information["topics_with_message_count"]:
            if topics is None or topic["topic_metadata"]["name"] in topics:
                topic["topic_metadata"]["offered_qos_profiles"] = QOS

    change(bag, edit)
    assert list(Bag(bag, config.topics()).messages()) == stream


def test_fewer_messages_than_promised_are_refused_before_any_is_read(bag, config):
    def edit(information):
        for topic in information["topics_with_message_count"]:
            if topic["topic_metadata"]["name"] == "/wrist/image_raw":
                topic["message_count"] += 1

    change(bag, edit)
    promised = rf"promises {FRAMES + 1} messages on '/wrist/image_raw'.*hold {FRAMES}"
    with pytest.raises(QuantVLAError, match=promised) as error:
        Bag(bag, config.topics())
    assert f"`ros2 bag reindex {bag}`" in str(error.value)


def test_more_messages_than_promised_are_all_read(bag, config, stream):
    def edit(information):
        for topic in information["topics_with_message_count"]:
            topic["message_count"] -= 1

    change(bag, edit)
    assert list(Bag(bag, config.topics()).messages()) == stream


def test_the_file_of_another_recording_is_refused(bag, tmp_path, config, streams, storage):
    """It has other topics, or fewer messages on the same ones."""
    ours = next(bag.glob("bag.*"))
    for name, stream in {
        "shorter": streams.robot(FRAMES - 3),
        "no camera": [m for m in streams.robot(FRAMES) if m.topic != "/wrist/image_raw"],
    }.items():
        other = streams.bag(tmp_path / name, stream, storage == "mcap")
        shutil.copyfile(next(other.glob(f"{name}.*")), ours)
        refused(bag, config, PROMISED)


def test_a_file_that_the_metadata_does_not_name_is_refused(bag, config):
    file = next(bag.glob("bag.*"))
    shutil.copyfile(file, bag / f"bag_1{file.suffix}")
    refused(bag, config, rf"holds 'bag_1\{file.suffix}', which its metadata\.yaml does not name")


def split(tmp_path: Path, streams, stream, storage: str) -> tuple[Path, Path]:
    """A bag of two files, and the second of them."""
    half = len(stream) // 2
    first, second = (
        streams.bag(tmp_path / name, part, storage == "mcap")
        for name, part in (("first", stream[:half]), ("second", stream[half:]))
    )
    (file,) = second.glob("second.*")
    later = Path(shutil.move(file, first))

    def edit(information):
        information["relative_file_paths"].append(later.name)
        for topic in information["topics_with_message_count"]:
            name = topic["topic_metadata"]["name"]
            topic["message_count"] += sum(m.topic == name for m in stream[half:])

    change(first, edit)
    return first, later


def test_a_split_bag_is_read_whole_or_not_at_all(tmp_path, streams, stream, config, storage):
    path, second = split(tmp_path, streams, stream, storage)
    assert list(Bag(path, config.topics()).messages()) == stream
    kept = shutil.move(second, tmp_path)
    refused(path, config, rf"files are missing.*{second.name}")
    change(path, lambda information: information["relative_file_paths"].pop())
    refused(path, config, PROMISED)
    assert kept


@pytest.mark.parametrize(
    ("mcap", "mode"),
    [(True, "FILE"), (True, "MESSAGE"), (True, "STORAGE"), (False, "FILE"), (False, "MESSAGE")],
)
def test_a_compressed_bag_is_read_whole(tmp_path, streams, stream, config, mcap, mode):
    path = streams.bag(tmp_path / "bag", stream, mcap, mode)
    assert list(Bag(path, config.topics()).messages()) == stream


# Below: SQLite3 whose recorder was killed, so that the newest messages lie in a log.


def killed(bag: Path, in_file: int) -> Path:
    """Rewrite a bag as a killed recorder leaves it: so many messages in the file, others logged."""
    (file,) = bag.glob("*.db3")
    before = sqlite3.connect(file)
    schema = [sql for (sql,) in before.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")]
    tables = ("topics", "messages")
    rows = {table: before.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    before.close()
    file.unlink()
    recorder = sqlite3.connect(file)
    recorder.execute("PRAGMA journal_mode=WAL")
    recorder.execute("PRAGMA wal_autocheckpoint=0")
    for statement in schema:
        recorder.execute(statement)
    recorder.executemany("INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)", rows["topics"])
    put = "INSERT INTO messages VALUES (?, ?, ?, ?)"
    recorder.executemany(put, rows["messages"][:in_file])
    recorder.commit()
    if in_file:
        recorder.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    recorder.executemany(put, rows["messages"][in_file:])
    recorder.commit()
    left = {name.name: name.read_bytes() for name in bag.iterdir() if name.suffix != ".db3-shm"}
    recorder.close()
    for name, content in left.items():
        (bag / name).write_bytes(content)
    log = file.with_name(f"{file.name}-wal")
    assert log.stat().st_size
    return log


@pytest.fixture
def sqlite_bag(tmp_path, streams, stream) -> Path:
    return streams.bag(tmp_path / "bag", stream, mcap=False)


@pytest.mark.parametrize("in_file", [0, 60])
def test_messages_in_the_log_of_a_killed_recorder_are_read(sqlite_bag, config, stream, in_file):
    log = killed(sqlite_bag, in_file)
    before = {path.name: path.read_bytes() for path in sqlite_bag.iterdir()}
    assert list(Bag(sqlite_bag, config.topics()).messages()) == stream
    assert {path.name: path.read_bytes() for path in sqlite_bag.iterdir()} == before
    assert log.exists()


def test_a_log_that_was_not_copied_is_missed(sqlite_bag, config):
    killed(sqlite_bag, 60).unlink()
    refused(sqlite_bag, config, rf"{PROMISED}.*without its '-wal'")


def test_a_log_that_cannot_be_read_says_what_to_run(tmp_path, sqlite_bag, config):
    log = killed(sqlite_bag, 60)
    # As in a folder that cannot be written: SQLite finds no place for the index of the log.
    log.with_name(log.name.replace("-wal", "-shm")).symlink_to(tmp_path / "nowhere" / "index")
    refused(
        sqlite_bag, config, rf"left messages in '{log.name}'.*`sqlite3 .*bag\.db3 'PRAGMA wal_check"
    )


def test_a_database_without_a_log_is_read_where_nothing_can_be_written(sqlite_bag, config, stream):
    """A recorder that ended well leaves the mode of logging in the file, but no log."""
    killed(sqlite_bag, 60)
    with sqlite3.connect(next(sqlite_bag.glob("*.db3"))) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    before = sorted(sqlite_bag.iterdir())
    assert [path.name for path in before] == ["bag.db3", "metadata.yaml"]
    assert list(Bag(sqlite_bag, config.topics()).messages()) == stream
    assert sorted(sqlite_bag.iterdir()) == before
