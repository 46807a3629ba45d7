# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.evaluation_players import outcome, settings

from calib_tools.evaluate.store import EPISODES, SETTINGS, EpisodeStore
from quantvla_ros.errors import OutputExistsError, QuantVLAError


def test_what_was_added_is_there_again(tmp_path):
    failed = outcome(False, "none", fault="CHUNK_UNDERRUN")
    with EpisodeStore(tmp_path / "out", settings()) as store:
        assert store.add("float", 0, outcome())
        assert store.add("float", 3, failed)
    with EpisodeStore(tmp_path / "out", settings()) as store:
        assert store.finished == {("float", 0): outcome(), ("float", 3): failed}


def test_nothing_is_written_twice(tmp_path):
    with EpisodeStore(tmp_path, settings()) as store:
        assert store.add("float", 0, outcome())
        assert not store.add("float", 0, outcome(False))
        assert store.finished[("float", 0)].success
    assert len((tmp_path / EPISODES).read_text().splitlines()) == 1


def test_half_a_line_of_a_killed_process_is_dropped(tmp_path):
    with EpisodeStore(tmp_path, settings()) as store:
        store.add("float", 0, outcome())
    path = tmp_path / EPISODES
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    with EpisodeStore(tmp_path, settings()) as store:
        assert list(store.finished) == [("float", 0)]
        store.add("float", 1, outcome())
    with EpisodeStore(tmp_path, settings()) as store:
        assert list(store.finished) == [("float", 0), ("float", 1)]


def test_a_damaged_line_is_named(tmp_path):
    with EpisodeStore(tmp_path, settings()) as store:
        store.add("float", 0, outcome())
    path = tmp_path / EPISODES
    path.write_bytes(path.read_bytes() + b'{"variant": "float"}\n')
    with pytest.raises(QuantVLAError, match="Line 2 of"):
        EpisodeStore(tmp_path, settings())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"episodes": 8}, "episodes 4, not 8"),
        ({"latency": "measured"}, "latency 120, not measured"),
        ({"labels": ("float", "int8")}, r"variants \['float \(0000"),
    ],
)
def test_other_settings_are_refused_in_one_sentence(tmp_path, changed, named):
    EpisodeStore(tmp_path, settings()).__exit__(None, None, None)
    with pytest.raises(OutputExistsError, match=named) as caught:
        EpisodeStore(tmp_path, settings(**changed))
    assert str(caught.value).count("\n") == 0


def test_a_directory_with_something_else_and_settings_of_another_version_are_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match="is no evaluation"):
        EpisodeStore(tmp_path, settings())
    (tmp_path / SETTINGS).write_text('{"schema_version": 99}')
    with pytest.raises(QuantVLAError, match="cannot be read by this version"):
        EpisodeStore(tmp_path, settings())


def test_two_processes_do_not_write_into_one_directory(tmp_path):
    with (
        EpisodeStore(tmp_path, settings()),
        pytest.raises(QuantVLAError, match="Another process evaluates into"),
    ):
        EpisodeStore(tmp_path, settings())
