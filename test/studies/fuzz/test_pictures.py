# SPDX-License-Identifier: Apache-2.0
"""A compressed picture, damaged anyhow, gives a picture or one sentence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from calib_tools.buffer.messages import COMPRESSED_TYPE, RawMessage, compressed_image, decode_image
from quantvla_ros.errors import QuantVLAError
from studies.fuzz.files import attempts
from studies.fuzz.pictures import deep_picture, sound_pictures, with_checksums


def decoded(picture):
    data = compressed_image(0, "camera", picture)
    return decode_image(RawMessage("/front/compressed", COMPRESSED_TYPE, data))


@pytest.mark.parametrize("picture", sound_pictures())
def test_every_sound_picture_is_read(picture) -> None:
    assert decoded(picture).shape == (24, 32, 3)


def test_a_sound_picture_of_16_bits_is_refused() -> None:
    with pytest.raises(QuantVLAError, match="16 bits"):
        decoded(deep_picture())


def test_a_damaged_size_gets_a_checksum_that_fits() -> None:
    png = next(picture for picture in sound_pictures() if picture[1:4] == b"PNG")
    assert with_checksums(png) == png
    flatter = bytearray(png)
    flatter[23] = 8  # rows in the header
    with pytest.raises(QuantVLAError):
        decoded(bytes(flatter))
    assert decoded(with_checksums(bytes(flatter))).shape == (8, 32, 3)
    assert with_checksums(png[:40]) is not None


def test_damage_is_refused_or_harmless(tmp_path) -> None:
    attempt, ends = attempts(tmp_path)["picture"], Counter()
    for number in range(1000):
        try:
            attempt(np.random.default_rng([1, number]), tmp_path)
            ends["read"] += 1
        except QuantVLAError as error:
            assert "\n" not in str(error)
            ends["refused"] += 1
    assert ends["read"] > 50 and ends["refused"] > 500
