# SPDX-License-Identifier: Apache-2.0
"""Steps from an observation to network inputs, and the way back of a chunk."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.tiny_policy import SIZE, WORDS, observations, tiny_manifest

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.processing.fitting import fit_picture
from quantvla_ros.processing.processing import mean_std_processing
from quantvla_ros.processing.scaling import Scaling
from quantvla_ros.processing.steps import FitPictures, NormalizeState, Tokenize


@pytest.fixture
def tokenizer():
    return Tokenizer(build_word_tokenizer(WORDS), 8)


@pytest.fixture
def processing(tokenizer):
    return mean_std_processing(tiny_manifest(), tokenizer)


def test_a_camera_of_another_size_is_fitted_in_the_policys_processing(processing):
    observation = observations(1)[0]
    wide = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    given = dataclasses.replace(observation, images={**observation.images, "wrist": wide})
    images = processing.inputs(given)["images"]
    np.testing.assert_array_equal(images[0], observation.images["front"])
    np.testing.assert_array_equal(images[1], fit_picture(wide, SIZE, SIZE, "crop"))


def test_an_optional_camera_may_be_missing_and_the_mask_says_so():
    cameras = tiny_manifest().interface.cameras
    picture = np.full((SIZE, SIZE, 3), 7, np.uint8)
    values = FitPictures(cameras, "pad")({"images": {cameras[0].name: picture}})
    assert values["camera_mask"].tolist() == [True, False]
    assert (values["images"][cameras[0].name] == 7).all()
    assert (values["images"][cameras[1].name] == 0).all()


def test_actions_and_back(processing):
    observation = observations(1)[0]
    chunk = np.random.default_rng(2).normal(size=(tiny_manifest().interface.horizon, 3))
    actions = processing.actions(chunk, observation)
    np.testing.assert_allclose(processing.normalized(actions[:3], observation), chunk[:3])
    np.testing.assert_allclose(  # relative joints count from the observed ones, the finger does not
        actions[0], chunk[0] * [0.1, 0.1, 0.02] + [*observation.joints[:2], 0.02], rtol=1e-6
    )


def test_quantiles_and_extremes_become_minus_one_and_one():
    scaling = Scaling.range([-2.0, 0.0], [2.0, 10.0])
    np.testing.assert_allclose(scaling.normalize(np.array([-2.0, 10.0])), [-1.0, 1.0])
    np.testing.assert_allclose(scaling.denormalize(np.array([[0.0, -1.0]])), [[0.0, 0.0]])


def test_the_state_is_padded_to_the_networks_width():
    step = NormalizeState(Scaling.mean_std([1.0, 2.0], [2.0, 4.0]), width=4)
    state = step({"state": np.array([3.0, 2.0], np.float32)})["state"]
    assert state.dtype == np.float32
    np.testing.assert_array_equal(state, [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("padding", "places"), [("right", [0, 1]), ("left", [6, 7])])
def test_padding_is_on_the_side_that_was_trained(tokenizer, padding, places):
    values = Tokenize(tokenizer, padding)({"instruction": "put milk"})
    assert np.flatnonzero(values["token_mask"]).tolist() == places
    plain = tokenizer.encode("put milk")[0]
    np.testing.assert_array_equal(values["tokens"][places], plain[:2])
