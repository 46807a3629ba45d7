# SPDX-License-Identifier: Apache-2.0
"""Pictures of an episode: the right one, whole, at the data set's pace."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from support.made_up_frames import episodes

from training.contact_sheet import CAPTION_HEIGHT, SCALE, SHEET_COLUMNS, SHEET_FRAMES, main
from training.data.finish import finish
from training.data.parts import part_path, write_part
from training.data.schema import IMAGE_KEYS, IMAGE_SIZE

FPS = 10
LONG = 30
WIDTH, HEIGHT = 2 * SCALE * IMAGE_SIZE, CAPTION_HEIGHT + SCALE * IMAGE_SIZE


@pytest.fixture(scope="module")
def recorded():
    made = episodes(0, [3, LONG])
    made[0][1]["disturbed"] = True
    return made


@pytest.fixture(scope="module")
def directory(tmp_path_factory, recorded):
    out = tmp_path_factory.mktemp("data")
    write_part(part_path(out, "a"), recorded, FPS)
    finish(out, FPS)
    return out


def cell(picture: Image.Image, column: int, row: int) -> np.ndarray:
    left, top = column * WIDTH, row * HEIGHT
    return np.asarray(picture.crop((left, top, left + WIDTH, top + HEIGHT)))


def cameras(frame) -> np.ndarray:
    return np.concatenate([frame[key] for key in IMAGE_KEYS], axis=1)


def test_sheet_of_a_short_episode_has_all_frames(directory, recorded, tmp_path):
    main(directory, tmp_path / "sheet.png", 0)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (3 * WIDTH, HEIGHT))
        for column, frame in enumerate(recorded[0]):
            seen = cell(picture, column, 0)[CAPTION_HEIGHT::SCALE, ::SCALE]
            assert np.array_equal(seen, cameras(frame))


def test_sheet_of_a_long_episode_goes_from_its_first_frame_to_its_last(
    directory, recorded, tmp_path
):
    main(directory, tmp_path / "sheet.png", 1)
    rows = SHEET_FRAMES // SHEET_COLUMNS
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (SHEET_COLUMNS * WIDTH, rows * HEIGHT)
        for place, frame in (((0, 0), 0), ((SHEET_COLUMNS - 1, rows - 1), LONG - 1)):
            seen = cell(picture, *place)[CAPTION_HEIGHT::SCALE, ::SCALE]
            assert np.array_equal(seen, cameras(recorded[1][frame]))


def test_animation_has_every_frame_at_the_pace_of_the_data_set(directory, tmp_path):
    main(directory, tmp_path / "film.gif", 1)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.format, film.size, film.n_frames) == ("GIF", (WIDTH, HEIGHT), LONG)
        for number in range(LONG):
            film.seek(number)
            assert film.info["duration"] == 1000 // FPS


def test_caption_is_orange_while_the_arm_is_disturbed(directory, tmp_path):
    main(directory, tmp_path / "sheet.png", 0)
    with Image.open(tmp_path / "sheet.png") as picture:
        captions = [cell(picture, column, 0)[:CAPTION_HEIGHT].astype(int) for column in range(3)]
    orange = [bool((c[..., 0] - c[..., 2] > 100).any()) for c in captions]
    assert orange == [False, True, False]
    assert all(c.max() > 200 for c in captions)  # something is written in each


@pytest.mark.parametrize(
    ("name", "episode", "sentence"),
    [
        ("film.mp4", 0, r"film\.mp4 must end in \.png \(a sheet\) or \.gif \(an animation\)\."),
        ("film.gif", 2, r".* has no episode 2; it has 0 to 1\."),
        ("film.gif", -1, r".* has no episode -1; it has 0 to 1\."),
    ],
)
def test_what_cannot_be_shown_is_refused(directory, tmp_path, refused, name, episode, sentence):
    said = refused(main, directory, tmp_path / name, episode)
    assert re.fullmatch(rf"contact_sheet: .*{sentence}", said)
    assert not list(tmp_path.iterdir())


def test_a_directory_without_a_data_set_is_refused(tmp_path, refused):
    said = refused(main, tmp_path, tmp_path / "sheet.png", 0)
    assert re.fullmatch(
        r"contact_sheet: There is no finished data set in .*; record one first\.", said
    )
