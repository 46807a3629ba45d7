# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageChops

from calib_tools.system.animation import LIMIT_BYTES, animation, compose
from calib_tools.system.trace import Frame


def frames(count: int, noise: bool = False) -> list[Frame]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        front = np.full((96, 96, 3), 200, np.uint8)
        front[10:30, i % 60 : i % 60 + 20] = [255, 0, 0]
        if noise:
            front = rng.integers(0, 255, front.shape, dtype=np.uint8)
        made.append(Frame(0.1 * i, front, front[::-1].copy(), "put the milk in the basket"))
    return made


def test_both_pictures_and_the_instruction_are_there():
    frame = frames(1)[0]
    picture = compose(frame)
    assert picture.size == (2 * 192 + 4, 192 + 22)
    np.testing.assert_array_equal(np.array(picture)[22 + 96, 20], [200, 200, 200])
    assert np.array(picture)[22 + 40, 20].tolist() == [255, 0, 0]
    silent = compose(Frame(frame.stamp, frame.front, frame.wrist, ""))
    assert ImageChops.difference(picture, silent).getbbox()[3] <= 22


def test_it_plays_in_real_time():
    with Image.open(io.BytesIO(animation(frames(40)))) as gif:
        assert gif.n_frames == 20
        assert gif.info["duration"] == pytest.approx(200)
        assert gif.info["loop"] == 0


def test_one_frame_is_enough():
    with Image.open(io.BytesIO(animation(frames(1)))) as gif:
        assert gif.n_frames == 1


def test_a_long_and_noisy_run_still_fits():
    data = animation(frames(120, noise=True), limit_bytes=1_000_000)
    assert len(data) <= 1_000_000 < LIMIT_BYTES
