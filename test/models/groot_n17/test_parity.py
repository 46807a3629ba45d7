# SPDX-License-Identifier: Apache-2.0
"""Every stage of an imported checkpoint against LeRobot 0.6.1, from the raw picture to actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.imported_groot import NAMES, imported, observation
from support.parity import assert_close, golden

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, save_bundle
from quantvla_ros.models.dit.network import Context
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.groot_n17.family import FAMILY
from quantvla_ros.models.groot_n17.guidance import continue_leftover
from quantvla_ros.models.groot_n17.layout import positions
from quantvla_ros.models.groot_n17.vision import patch_pixels

IMAGE_TOKEN = 326
LEROBOT_ROWS = 6
"""LeRobot's n_action_steps cuts the chunk itself; here a chunk has all rows that were trained."""


class Run:
    """An imported policy, its golden, and what its processing makes of the golden's observation."""

    def __init__(self, name):
        self.golden, self.policy = golden(name), load_policy(imported(name), "reference")
        self.observation = observation(self.golden)
        self.inputs = self.policy.inputs(self.observation)
        self.network = self.policy.network
        self.flow = FAMILY.flow(self.policy.manifest)
        with torch.no_grad():
            self.places = self.network.places(self.inputs["token_mask"])
            pixels = patch_pixels(self.inputs["patches"])
            self.seen, self.deep = self.network.visual(pixels, self.places.patches)
            self.features = self.network.features(pixels, self.inputs["tokens"], self.places)
            self.context = self.network.encode(self.inputs)

    def real(self, tokens):
        """Tokens [B, S, ...] without padding, which is at the end."""
        there = int(self.network.layout.mask(self.inputs["token_mask"]).sum())
        return tokens[:, :there]


@pytest.fixture(scope="module", params=NAMES)
def run(request):
    return Run(request.param)


def test_pictures_are_the_same_bytes(run):
    pixels = patch_pixels(run.inputs["patches"])[0]
    assert torch.equal(pixels, run.golden["pre.pixel_values"])
    grids = [[1, *grid] for grid in run.network.config.grids]
    assert grids == run.golden["pre.image_grid_thw"].tolist()


def test_text_is_the_same_tokens_around_the_pictures(run):
    ids = run.golden["pre.input_ids"]
    text = ids[ids != IMAGE_TOKEN]
    mask = run.inputs["token_mask"]
    assert run.inputs["tokens"][mask].tolist() == text.tolist()
    layout = run.network.layout
    pictures = torch.full((1, sum(layout.pictures)), IMAGE_TOKEN)
    joined = layout.join(run.inputs["tokens"], pictures)
    assert torch.equal(run.real(joined), ids)
    places = positions(layout, run.network.config.grids, mask)
    places = run.real(places.transpose(1, 2)).permute(2, 0, 1)
    assert torch.equal(places, run.golden["backbone.position_ids"][1:])


def test_the_state_is_the_same(run):
    assert_close(run.inputs["state"], run.golden["pre.state"][:, 0], 1e-6)


def test_vision_and_deepstack_agree(run):
    assert_close(run.seen[0], run.golden["vision.merged"])
    for number, tokens in enumerate(run.deep):
        assert_close(tokens[0], run.golden[f"vision.deepstack.{number}"])


def test_the_backbone_agrees(run):
    assert_close(run.real(run.features), run.golden["backbone.backbone_features"])
    with torch.no_grad():
        assert_close(run.real(run.network.vlln(run.features)), run.golden["head.vlln"])
        read = run.network.read(run.features, run.places.there)
    assert_close(run.real(read), run.golden["head.vl_features"])
    assert_close(run.context.state, run.golden["head.state_features"])


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
    trained = run.policy.manifest.interface.horizon
    assert actions.shape[0] == trained >= LEROBOT_ROWS
    assert_close(actions[:LEROBOT_ROWS], run.golden["actions"][0])


def test_bfloat16_weights_stay_within_what_they_round(run, tmp_path):
    """LeRobot's own bfloat16 chunk differs from its float32 chunk by 0.013 to 0.029 here."""
    bundle = load_bundle(imported(run.golden.path.name))
    tensors = {name: tensor.bfloat16() for name, tensor in bundle.tensors.items()}
    path = save_bundle(tmp_path / "half", bundle.manifest, tensors, bundle.tokenizer.json)
    policy = load_policy(path, "reference")
    assert policy.network.dit.proj_out.weight.dtype == torch.bfloat16
    with torch.no_grad():
        context = policy.network.encode(policy.inputs(run.observation))
        chunk = normalized_chunk(policy.network, run.golden["noise"], context, run.flow)
    known = run.golden["bf16.chunk.normalized"]
    ours = chunk[:, : known.shape[1], : known.shape[2]]
    assert_close(ours, known, 0.03)
    assert_close(ours, run.golden["chunk.normalized"], 0.02)


def test_real_time_chunking_agrees(run):
    if "rtc.chunk.normalized" not in run.golden.tensors:
        pytest.skip("LeRobot leaves it out for relative actions")
    left, delay = run.golden["rtc.prev_chunk_left_over"], int(run.golden["rtc.inference_delay"])
    guidance = continue_leftover(left, delay, run.policy.manifest)
    with torch.no_grad():
        chunk = normalized_chunk(run.network, run.golden["noise"], run.context, run.flow, guidance)
    known = run.golden["rtc.chunk.normalized"]
    assert_close(chunk[:, : known.shape[1], : known.shape[2]], known)


def test_two_samples_agree_if_the_reader_sees_padding_as_in_the_reference(run):
    """Padding moves from the left to the right; the head knows no positions but the pictures'."""
    if "batch2.backbone_features" not in run.golden.tensors:
        pytest.skip("no second sample")
    known, network = run.golden, run.network
    real = known["batch2.pre.attention_mask"].sum(dim=1).tolist()

    def on_the_right(rows):
        return torch.stack([row.roll(n, 0) for row, n in zip(rows, real, strict=True)])

    text = (on_the_right(known["batch2.pre.input_ids"]) != IMAGE_TOKEN).sum(dim=1)
    pictures = sum(network.layout.pictures)
    there = torch.arange(int(text.max())) < torch.tensor(real)[:, None] - pictures
    with torch.no_grad():
        places = network.places(there)
        features = on_the_right(known["batch2.backbone_features"])
        memory = network.memory(features, torch.zeros_like(places.there))
        state = network.state_features(known["batch2.pre.state"][:, 0])
        context = Context(state, memory, places.text)
        chunk = normalized_chunk(network, known["batch2.noise"], context, run.flow)
    both = known["batch2.chunk.normalized"]
    assert_close(chunk[:, : both.shape[1], : both.shape[2]], both)
    halved = replace(run.observation, joints=run.observation.joints * np.float32(0.5))
    for ours, seen, actions in zip(
        chunk, (run.observation, halved), known["batch2.actions"], strict=True
    ):
        made = run.policy.processing.actions(ours.numpy(), seen)
        assert_close(made[:LEROBOT_ROWS], actions)
