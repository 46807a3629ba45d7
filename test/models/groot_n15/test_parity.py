# SPDX-License-Identifier: Apache-2.0
"""Every stage of an imported checkpoint against LeRobot 0.4.4, from the raw picture to actions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from support.imported_groot_n15 import NAME, imported, nvidia_checkpoint, observation, options
from support.parity import assert_close, golden

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, save_bundle
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.groot_n15.family import FAMILY
from quantvla_ros.models.groot_n15.importer import importer
from quantvla_ros.models.groot_n15.network import pixels_of
from quantvla_ros.models.groot_n15.pictures import square
from quantvla_ros.models.groot_n15.prompt import chat_prompt


class Run:
    """The imported policy, its golden, and what its processing makes of that observation."""

    def __init__(self):
        self.golden, self.policy = golden(NAME), load_policy(imported(), "reference")
        self.observation = observation(self.golden)
        self.inputs = self.policy.inputs(self.observation)
        self.network = self.policy.network
        self.flow = FAMILY.flow(self.policy.manifest)
        with torch.no_grad():
            self.places = self.network.places(self.inputs["token_mask"])
            self.pixels = pixels_of(self.inputs["pictures"])
            self.features = self.network.features(self.pixels, self.inputs["tokens"], self.places)
            self.context = self.network.encode(self.inputs)

    def real(self, tokens):
        """Tokens [B, S, ...] without padding, which is at the end."""
        there = int(self.network.layout.mask(self.inputs["token_mask"]).sum())
        return tokens[:, :there]


@pytest.fixture(scope="module")
def run():
    return Run()


def test_pictures_are_the_same_bytes(run):
    assert torch.equal(run.pixels[0], run.golden["pre.eagle_pixel_values"])


def test_text_is_the_same_tokens_around_the_pictures(run):
    ids, picture = run.golden["pre.eagle_input_ids"], token_id("<IMG_CONTEXT>")
    assert run.inputs["tokens"][run.inputs["token_mask"]].tolist() == ids[ids != picture].tolist()
    layout = run.network.layout
    joined = layout.join(run.inputs["tokens"], torch.full((1, sum(layout.pictures)), picture))
    assert torch.equal(run.real(joined), ids)


def test_instructions_that_are_hard_to_write_are_the_same_tokens(run):
    tokenizer = Tokenizer(golden(NAME).tokenizer.read_text(), 400)
    prompt = chat_prompt(tokenizer, run.network.config)
    texts = json.loads(run.golden.text("words.text"))
    assert "" in texts and any(not text.isascii() for text in texts)
    for number, text in enumerate(texts):
        made, ids = prompt({"instruction": text}), run.golden[f"words.{number}.ids"]
        known = ids[ids != token_id("<IMG_CONTEXT>")].tolist()
        assert made["tokens"][made["token_mask"]].tolist() == known, text


def test_the_state_is_the_same(run):
    assert_close(run.inputs["state"], run.golden["pre.state"][:, 0], 1e-6)


def test_vision_agrees(run):
    with torch.no_grad():
        assert_close(run.network.visual(run.pixels[0]), run.golden["vision.last_hidden"])
        seen = run.network.seen(run.pixels)
    assert_close(seen[0], run.golden["vision.connected"].flatten(0, 1))


def test_the_backbone_and_the_reader_agree(run):
    assert_close(run.real(run.features), run.golden["backbone.features"])
    with torch.no_grad():
        assert_close(run.real(run.network.vlln(run.features)), run.golden["head.vlln"])
        read = run.network.read(run.features, run.places.there)
    assert_close(run.real(read), run.golden["head.vl_features"])
    assert_close(run.context.state[:, :1], run.golden["head.state_features"])


def test_every_step_of_the_flow_agrees(run):
    steps = zip(run.golden["step.x_t"], run.golden["step.v_t"], strict=True)
    for number, (x_t, velocity) in enumerate(steps):
        with torch.no_grad():
            assert_close(run.network.velocity(x_t, number / 4, run.context), velocity)


def test_the_chunk_and_the_actions_agree(run):
    noise = run.golden["noise"]
    with torch.no_grad():
        chunk = normalized_chunk(run.network, noise, run.context, run.flow)
    assert_close(chunk, run.golden["chunk.padded"])
    actions = run.policy.infer(run.observation, noise[0].numpy()).actions
    assert_close(actions, run.golden["actions"][0].double())


def test_bfloat16_weights_stay_within_what_they_round(run, tmp_path):
    """LeRobot's own bfloat16 chunk differs from its float32 chunk by 0.062, of values up to 7."""
    bundle = load_bundle(imported())
    tensors = {name: tensor.bfloat16() for name, tensor in bundle.tensors.items()}
    path = save_bundle(tmp_path / "half", bundle.manifest, tensors, bundle.tokenizer.json)
    policy = load_policy(path, "reference")
    assert policy.network.dit.proj_out.weight.dtype == torch.bfloat16
    with torch.no_grad():
        context = policy.network.encode(policy.inputs(run.observation))
        chunk = normalized_chunk(policy.network, run.golden["noise"], context, run.flow)
    known = run.golden["chunk.normalized"]
    assert_close(run.golden["bf16.chunk.normalized"], known, 0.065)
    assert_close(chunk[:, :, : known.shape[-1]], known, 0.1)


def test_nvidias_squares_are_those_of_its_functions():
    known = golden(NAME)
    for number, camera in enumerate(sorted(known.pictures)):
        picture = known.pictures[camera]
        assert np.array_equal(square(picture, 28, "nvidia"), known[f"nvidia.frame.28.{number}"])
        large = square(picture, 224, "nvidia").astype(np.int64)
        sums = np.concatenate([large.sum(axis=0), large.sum(axis=1)])
        assert np.array_equal(sums, known[f"nvidia.frame.224.{number}"])


def test_nvidias_layout_holds_the_same_policy(run, tmp_path):
    path = nvidia_checkpoint(tmp_path / "nvidia")
    made = importer(open_checkpoint(path), options())
    bundle = save_bundle(tmp_path / "float", made.manifest, made.weights, made.tokenizer_json)
    tensors = load_bundle(imported()).tensors
    assert all(torch.equal(made.weights[name], tensor) for name, tensor in tensors.items())
    policy = load_policy(bundle, "reference")
    inputs = policy.inputs(run.observation)
    assert torch.equal(inputs["tokens"], run.inputs["tokens"])
    assert_close(inputs["state"], run.inputs["state"], 1e-6)
    frames = np.stack([run.golden[f"nvidia.frame.28.{n}"].numpy() for n in range(2)])
    assert np.array_equal(inputs["pictures"][0].permute(0, 2, 3, 1).numpy(), frames)
    chunk = run.golden["chunk.padded"][0].numpy()
    actions = policy.processing.actions(chunk, run.observation)
    assert_close(actions, run.golden["actions"][0].double())


def token_id(token):
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(golden(NAME).tokenizer)).token_to_id(token)
