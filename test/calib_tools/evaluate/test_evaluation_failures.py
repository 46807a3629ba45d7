# SPDX-License-Identifier: Apache-2.0
"""GIFs of failed episodes: as many as were asked for, named, and each made once."""

from __future__ import annotations

import pytest
from support.evaluation_players import Filmed

from calib_tools.evaluate import run as run_module
from calib_tools.evaluate.run import FAILURES, evaluate
from calib_tools.evaluate.settings import Asked, make_settings
from calib_tools.evaluate.variants import Variant

EPISODES = 8  # of which 1, 3, 5 and 7 fail


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Evaluate into one directory with so many GIFs; return the record."""
    monkeypatch.setattr(run_module, "make_player", Filmed)
    variants = []
    for label in ("float", "new/int8"):
        folder = tmp_path / label.replace("/", "_")
        folder.mkdir()
        variants.append(Variant(label, folder, f"{label:0>64}"))
    settings = make_settings(variants, Asked(["pick_place"], EPISODES))
    return lambda gifs: evaluate(variants, settings, tmp_path / "out", workers=1, gifs=gifs)


def gifs(tmp_path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (tmp_path / "out" / FAILURES).glob("*")}


def test_the_first_failures_of_each_variant_get_a_gif_and_no_more(tmp_path, played):
    record = played(2)
    assert gifs(tmp_path) == {
        "float_00001.gif": "GIF of Episode 1 of 'float'",
        "float_00003.gif": "GIF of Episode 3 of 'float'",
        "new_int8_00001.gif": "GIF of Episode 1 of 'new/int8'",
        "new_int8_00003.gif": "GIF of Episode 3 of 'new/int8'",
    }
    assert record["failures"] == [
        {"variant": label, "index": index, "gif": f"{FAILURES}/{name}_{index:05d}.gif"}
        for label, name in (("float", "float"), ("new/int8", "new_int8"))
        for index in (1, 3)
    ]


def test_fewer_failures_than_gifs_give_fewer_gifs(tmp_path, played):
    assert len(played(100)["failures"]) == len(gifs(tmp_path)) == EPISODES


def test_no_gifs_are_made_when_none_are_wanted(tmp_path, played):
    assert played(0)["failures"] == []
    assert not (tmp_path / "out" / FAILURES).exists()


def test_a_gif_that_is_there_is_not_made_again(tmp_path, played):
    played(1)
    kept = tmp_path / "out" / FAILURES / "float_00001.gif"
    kept.write_text("mine")
    (tmp_path / "out" / FAILURES / "new_int8_00001.gif").unlink()
    assert len(played(2)["failures"]) == 4
    assert len(gifs(tmp_path)) == 4
    assert kept.read_text() == "mine"


def test_playing_for_a_gif_counts_no_episode(tmp_path, played):
    first, second = played(0), played(3)
    assert second["aggregates"] == first["aggregates"]
    assert second["speed"]["episodes"] == 0
