# SPDX-License-Identifier: Apache-2.0
"""Pictures far from those of the calibration buffer; see test/simulation for rendered ones."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.bundle.calibration import CameraStatistics
from quantvla_ros.processing.pictures import camera_statistics, features, unlike

SIDE = 96
RNG = np.random.default_rng(0)


def scene(brightness=110.0, shift=0, size=SIDE):
    """A table with a bright side, a dark thing and some texture."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    light = brightness * (0.8 + 0.5 * columns)
    x, y = 0.3 + shift / 100, 0.6
    light[(np.abs(columns - x) < 0.12) & (np.abs(rows - y) < 0.12)] *= 0.4
    picture = light[:, :, None] * np.array([1.05, 1.0, 0.9])
    return np.clip(picture + RNG.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def known():
    return camera_statistics([scene(shift=k) for k in range(-5, 6)])


@pytest.mark.parametrize(
    "picture",
    [
        scene(),
        scene(brightness=50),
        scene(brightness=165),
        scene(shift=12),
        scene(size=480),
        np.clip(scene() + RNG.normal(0, 14, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8),
    ],
    ids=["same", "dim", "bright", "moved", "larger", "noisy"],
)
def test_light_and_things_that_moved_pass(known, picture):
    assert unlike(known, picture) == ""


def plain(value, noise=0.0):
    picture = np.full((SIDE, SIDE, 3), value) + RNG.normal(0, noise, (SIDE, SIDE, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (plain(0), "too dark: brightness 0 of 255, calibrated at 1"),
        (plain(0, 14), "too dark"),
        (plain(255), "too bright: brightness 255 of 255"),
        (plain(110), "shows nothing, as if it were covered: contrast 0.0"),
        (plain(60, 14), "shows nothing"),
        (plain([190, 140, 110], 8), "shows nothing"),
        (scene()[:, ::-1], "as if it were another camera's or turned"),
        (scene()[:, :, [0]] * np.array([0, 1, 0], np.uint8), "100 % green, calibrated at 34 %"),
    ],
)
def test_what_shows_nothing_of_the_scene_is_named(known, picture, text):
    assert text in unlike(known, picture)


def test_one_picture_is_enough_and_is_like_itself():
    picture = scene()
    assert unlike(camera_statistics([picture]), picture) == ""


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (480, 7), (97, 131)])
def test_any_size_can_be_measured(shape):
    found = features(np.full((*shape, 3), 128, np.uint8))
    assert np.isfinite([found.brightness, found.contrast, *found.colour, *found.layout]).all()


def test_a_buffer_of_plain_pictures_is_compared_by_brightness_alone():
    known = camera_statistics([plain(90), plain(90)])
    assert unlike(known, plain(90)) == "" and unlike(known, scene()) == ""
    assert "too dark" in unlike(known, plain(5))


def test_statistics_survive_the_way_through_plain_data(known):
    assert CameraStatistics.model_validate(known.model_dump(mode="json")) == known
