# SPDX-License-Identifier: Apache-2.0
"""Pictures of any size and aspect become those that a policy was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.processing.fitting import fit_picture

FITS = ("crop", "pad", "stretch")


def gradient(height, width):
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 255 / max(1, height - 1), columns * 255 / max(1, width - 1), 0 * rows + 90]
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("fit", FITS)
def test_the_trained_size_passes_bit_for_bit(fit):
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    assert fit_picture(picture, 12, 16, fit) is picture


@settings(deadline=None, max_examples=60)
@given(*(st.integers(1, 90) for _ in range(4)), st.sampled_from(FITS))
def test_any_picture_gets_any_size(rows, columns, height, width, fit):
    out = fit_picture(gradient(rows, columns), height, width, fit)
    assert out.shape == (height, width, 3)
    assert out.dtype == np.uint8


def test_crop_keeps_the_middle_and_its_shape():
    wide = np.zeros((48, 64, 3), np.uint8)
    wide[:, :8], wide[:, 8:56], wide[:, 56:] = 200, 100, 200
    assert (fit_picture(wide, 24, 24, "crop") == 100).all()


def test_pad_puts_bars_around_all_of_the_picture():
    out = fit_picture(np.full((48, 64, 3), 100, np.uint8), 32, 32, "pad")
    assert (out[:4] == 0).all() and (out[28:] == 0).all() and (out[4:28] == 100).all()


def test_stretch_shows_all_of_the_picture():
    out = fit_picture(gradient(48, 64), 24, 24, "stretch")
    np.testing.assert_allclose(out, gradient(24, 24), atol=8)


def test_what_shrinks_is_smoothed():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # aliasing would keep only dark or only bright columns
    np.testing.assert_allclose(fit_picture(stripes, 16, 16, "stretch"), 127, atol=12)
