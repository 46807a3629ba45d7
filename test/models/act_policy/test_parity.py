# SPDX-License-Identifier: Apache-2.0
"""Every stage of an imported checkpoint against LeRobot's, from the raw picture to actions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.imported_act import NAME, imported, observation
from support.parity import assert_close, golden

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.models.act_policy.family import FAMILY
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.guidance import draw_to_prefix
from quantvla_ros.processing.noise import draw_noise


class Run:
    """The imported policy, its golden, and what its processing makes of that observation."""

    def __init__(self):
        self.golden, self.policy = golden(NAME), load_policy(imported(), "reference")
        self.observation = observation(self.golden)
        self.inputs = self.policy.inputs(self.observation)
        self.network = self.policy.network


@pytest.fixture(scope="module")
def run():
    return Run()


def test_pictures_and_the_state_are_the_same(run):
    assert_close(run.inputs["state"], run.golden["pre.state"], 1e-6)
    slots = [slot.name for slot in run.policy.manifest.interface.cameras]
    assert slots == ["wrist", "front"]  # the checkpoint's order, not the alphabet's
    for picture, slot in zip(run.inputs["images"][0], slots, strict=True):
        known = run.golden[f"pre.observation.images.{slot}.every_8th"]
        assert_close(picture[None, :, ::8, ::8], known, 2e-6)


def test_feature_maps_and_the_encoder_agree(run):
    with torch.no_grad():
        assert_close(run.network.seen(run.inputs["images"]), run.golden["vision.maps"])
        tokens = run.network.tokens(run.inputs["images"], run.inputs["state"])
        assert_close(tokens[0], run.golden["encoder.in"][:, 0])
        assert_close(run.network.places, run.golden["encoder.places"][:, 0])
        assert_close(run.network.read(tokens)[0], run.golden["encoder.out"][:, 0])


def test_the_decoder_agrees_without_the_own_attention_of_its_first_layer(run):
    network, read = run.network, run.golden["encoder.out"].transpose(0, 1)
    with torch.no_grad():
        x = network.start.expand(1, network.config.rows, -1)
        for number, layer in enumerate(network.decoder):
            x = layer(x, read, network.own_places, network.places)
            if number == 0:
                assert_close(x[0], run.golden["decoder.layer_out.0"][:, 0])
        assert_close(network.norm(x)[0], run.golden["decoder.out"][:, 0])
    assert network.decoder[0].self_attn is None and network.decoder[1].self_attn is not None


def test_the_chunk_and_the_actions_agree_whatever_the_noise(run):
    flow, manifest = FAMILY.flow(run.policy.manifest), run.policy.manifest
    with torch.no_grad():
        context = run.network.encode(run.inputs)
        chunk = normalized_chunk(run.network, torch.randn(1, 9, 7), context, flow)
    assert_close(chunk, run.golden["chunk.normalized"])
    noise = draw_noise(manifest, 1, 2)
    assert not noise.any()
    actions = run.policy.infer(run.observation, noise).actions
    assert_close(actions, run.golden["actions"][0].double())


def test_what_it_is_told_changes_nothing(run):
    from dataclasses import replace

    noise = draw_noise(run.policy.manifest, 0, 0)
    told = [replace(run.observation, instruction=words) for words in ("open", "去", "")]
    chunks = [run.policy.infer(one, noise).actions for one in told]
    assert all(np.array_equal(chunk, chunks[0]) for chunk in chunks)


def test_a_chunk_goes_over_from_the_one_before(run):
    flow, target = FAMILY.flow(run.policy.manifest), torch.zeros(1, 3, 7)
    with torch.no_grad():
        context = run.network.encode(run.inputs)
        guidance = draw_to_prefix(target, 2, run.policy.manifest)
        chunk = normalized_chunk(run.network, torch.zeros(1, 9, 7), context, flow, guidance)
    assert_close(chunk[:, :2], target[:, :2], 1e-6)
    assert_close(chunk[:, 3:], context[:, 3:], 1e-6)
    assert (chunk[:, 2].abs() < context[:, 2].abs()).all()
