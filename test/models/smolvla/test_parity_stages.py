# SPDX-License-Identifier: Apache-2.0
"""Stage by stage against LeRobot 0.6.1, from the raw picture to the robot's action."""

import pytest
import torch
from support.parity import assert_close
from support.smolvla import (
    GOLDEN,
    imported,
    inputs,
    network,
    observation,
    processing,
    with_empty_camera,
)

from quantvla_ros.models.build import empty_network, load_weights
from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.processing.float_pictures import FitFloatPictures
from quantvla_ros.robot.interface import CameraSlot

EXACT = 1e-6


@pytest.fixture(scope="module")
def whole():
    """Network and inputs with the empty camera, which the golden run masks."""
    bundle = with_empty_camera()
    return network(bundle), inputs(bundle)


@pytest.fixture(scope="module")
def context(whole):
    return whole[0].encode(whole[1])


def test_pictures_state_and_tokens_are_those_of_the_preprocessor(whole):
    made = whole[1]
    for index in range(2):
        assert_close(made["images"][:, index], GOLDEN[f"model.image.{index}"], EXACT)
    assert bool((made["images"][:, 2] == -1.0).all())
    masks = GOLDEN.start("model.image_mask.")
    assert made["camera_mask"].tolist() == [[bool(mask) for mask in masks.values()]]
    states = GOLDEN["pre.observation.state"].shape[-1]
    assert_close(made["state"][:, :states], GOLDEN["pre.observation.state"], EXACT)
    assert not made["state"][:, states:].any()
    assert torch.equal(made["tokens"], GOLDEN["pre.observation.language.tokens"])
    assert torch.equal(made["token_mask"], GOLDEN["pre.observation.language.attention_mask"])


def test_pictures_of_the_published_size_are_resized_alike(whole):
    fit = FitFloatPictures((CameraSlot("front", 512, 512),), "bottom_right")
    made = fit({"images": GOLDEN.pictures})["images"]
    assert_close(made[..., ::8, ::8], GOLDEN["fullsize.image_512_every_8th"], EXACT)


def test_vision_gives_the_golden_features(whole):
    made = whole[0].pictures(whole[1]["images"][0])
    for index, features in enumerate(GOLDEN.start("vision.features.").values()):
        assert_close(made[index : index + 1], features)


def test_tokens_and_their_places_are_those_of_the_prefix(whole):
    model, made = whole
    x = model.tokens(made["images"], made["state"], made["tokens"])
    assert_close(x, GOLDEN["prefix.embs"])
    mask = model.token_mask(made)
    assert torch.equal(mask, GOLDEN["prefix.pad_mask"])
    assert torch.equal(torch.cumsum(mask, 1) - 1, GOLDEN["prefix.position_ids"])


def test_keys_and_values_of_every_layer_are_golden(whole, context):
    """Of tokens that are there: on padding LeRobot computes what nothing reads."""
    model = whole[0]
    there = context.mask[0]
    for index, layer in enumerate(model.lm_expert.layers):
        key, value = (GOLDEN[f"prefix.{kind}.{index}"] for kind in "kv")
        key, value = layer.read_context(key, value)
        assert_close(context.keys[index][:, :, there], key[:, :, there])
        assert_close(context.values[index][:, :, there], value[:, :, there])


def test_the_velocity_of_every_step_is_golden(whole, context):
    model = whole[0]
    steps = list(zip(GOLDEN["step.x_t"], GOLDEN["step.t"], GOLDEN["step.v_t"], strict=True))
    assert len(steps) == 10
    for x_t, t, v_t in steps:
        assert_close(model.velocity(x_t, float(t), context), v_t)


def run(bundle, model):
    """The chunk as the product makes it, normalized and in the robot's units."""
    with torch.no_grad():
        context = model.encode(inputs(bundle))
        flow = Flow(bundle.manifest.denoise_steps)
        chunk = normalized_chunk(model, GOLDEN["noise"], context, flow)
    return chunk, processing(bundle).actions(chunk[0].numpy(), observation())


@pytest.mark.parametrize("bundle", [imported, with_empty_camera], ids=["without", "masked"])
def test_chunk_and_actions_are_golden_and_an_empty_camera_changes_nothing(bundle):
    chunk, actions = run(bundle(), network(bundle()))
    assert_close(chunk, GOLDEN["chunk.padded"])
    assert_close(chunk[..., : actions.shape[1]], GOLDEN["chunk.normalized"])
    assert_close(actions[None], GOLDEN["actions"])
    assert bundle().manifest.denoise_steps == 10


def test_bfloat16_weights_stay_close():
    """Weights alone are rounded; sums are float32.

    A bfloat16 is off by 2^-9 of itself at most. Over some twenty layers in a row and ten steps that
    adds up to half a hundredth of the largest value here; one hundredth is the bound.
    """
    bundle = imported()
    rounded = empty_network(bundle.manifest)
    load_weights(rounded, {name: value.bfloat16() for name, value in bundle.weights.items()})
    (full, _), (other, _) = run(bundle, network(bundle)), run(bundle, rounded)
    assert 0 < (full - other).abs().max() < 0.01 * full.abs().max()
