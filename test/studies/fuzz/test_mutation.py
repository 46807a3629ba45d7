# SPDX-License-Identifier: Apache-2.0
"""The same generator gives the same damage; a damaged picture gives a picture or one sentence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import yaml

from calib_tools.buffer.messages import COMPRESSED_TYPE, RawMessage, compressed_image, decode_image
from quantvla_ros.errors import QuantVLAError
from studies.fuzz.files import attempts
from studies.fuzz.mutation import (
    deep_picture,
    mutate_bytes,
    mutate_yaml,
    sound_pictures,
    with_checksums,
)

DATA = bytes(range(256))
TEXT = "a: 1\nb:\n- x\n- y\nc:\n  d: 2.0\n"


def test_damage_repeats_with_its_seed():
    for damage, sound in ((mutate_bytes, DATA), (mutate_yaml, TEXT)):
        first, second = (damage(sound, np.random.default_rng(5)) for _ in range(2))
        assert first == second
        assert damage(sound, np.random.default_rng(6)) != first


def test_most_damages_change_something_and_all_kinds_of_length_come():
    rng = np.random.default_rng(0)
    damaged = [mutate_bytes(DATA, rng) for _ in range(300)]
    assert sum(d == DATA for d in damaged) < 10
    lengths = [len(d) for d in damaged]
    assert min(lengths) < 64
    assert max(lengths) > 256
    assert mutate_bytes(b"", rng) is not None


def test_some_damaged_yaml_is_yaml_with_another_content():
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(300):
        try:
            changed += yaml.safe_load(mutate_yaml(TEXT, rng)) != yaml.safe_load(TEXT)
        except yaml.YAMLError:
            continue
    assert changed > 50


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
