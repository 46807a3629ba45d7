# SPDX-License-Identifier: Apache-2.0
"""Pictures of an episode: the right one, whole, at the data set's pace."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from support.made_up_frames import episodes

from training.contact_sheet import CAPTION_HEIGHT, SCALE, main
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


def shown(film: Image.Image, number: int) -> np.ndarray:
    film.seek(number)
    return np.asarray(film.convert("RGB")).astype(int)


def test_animation_has_every_frame_at_the_pace_of_the_data_set(directory, tmp_path):
    main(directory, tmp_path / "film.gif", 1)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.format, film.size, film.n_frames) == ("GIF", (WIDTH, HEIGHT), LONG)
        for number in range(LONG):
            film.seek(number)
            assert film.info["duration"] == 1000 // FPS


def test_frames_are_those_of_the_episode_and_orange_while_the_arm_is_disturbed(
    directory, recorded, tmp_path
):
    main(directory, tmp_path / "film.gif", 0)
    with Image.open(tmp_path / "film.gif") as film:
        pictures = [shown(film, number) for number in range(3)]
    for picture, frame in zip(pictures, recorded[0], strict=True):
        cameras = np.concatenate([frame[key] for key in IMAGE_KEYS], axis=1)
        seen = picture[CAPTION_HEIGHT::SCALE, ::SCALE]
        assert np.abs(seen - cameras).mean() < 40  # a GIF has 256 colours, these are all noise
    captions = [picture[:CAPTION_HEIGHT] for picture in pictures]
    orange = [bool((c[..., 0] - c[..., 2] > 100).any()) for c in captions]
    assert orange == [False, True, False]
    assert all(c.max() > 150 for c in captions)  # something is written in each


@pytest.mark.parametrize(
    ("name", "episode", "sentence"),
    [
        ("film.mp4", 0, r"film\.mp4 must end in \.gif\."),
        ("film.gif", 2, r".* has no episode 2; it has 0 to 1\."),
        ("film.gif", -1, r".* has no episode -1; it has 0 to 1\."),
    ],
)
def test_what_cannot_be_shown_is_refused(directory, tmp_path, refused, name, episode, sentence):
    said = refused(main, directory, tmp_path / name, episode)
    assert re.fullmatch(rf"contact_sheet: .*{sentence}", said)
    assert not list(tmp_path.iterdir())


def test_a_directory_without_a_data_set_is_refused(tmp_path, refused):
    said = refused(main, tmp_path, tmp_path / "film.gif", 0)
    assert re.fullmatch(
        r"contact_sheet: There is no finished data set in .*; record one first\.", said
    )
