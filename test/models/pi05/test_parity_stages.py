# SPDX-License-Identifier: Apache-2.0
"""Every stage against LeRobot's on the same tiny checkpoints, through the product's own path."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.parity import assert_close, golden
from support.reference_chunk import largest_difference
from support.tiny_pi05 import CHECKPOINTS, float_policy, observation

from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.models.pi05.prompts import prompt_of, state_numbers
from quantvla_ros.processing.scaling import state_scaling

FLOW = Flow(10)


@pytest.fixture(scope="module", params=CHECKPOINTS)
def run(request):
    """A golden, its policy, the observation, and what the network makes of it."""
    known, policy = golden(request.param), float_policy(request.param)
    given = observation(request.param)
    inputs = policy.inputs(given)
    with torch.no_grad():
        context = policy.network.encode(inputs)
    return SimpleNamespace(golden=known, policy=policy, given=given, inputs=inputs, context=context)


def test_pictures_and_prompt(run):
    stages, inputs = run.golden, run.inputs
    for camera in range(2):
        assert_close(inputs["images"][:, camera], stages[f"model.image.{camera}"], 1e-6)
    assert_close(inputs["tokens"], stages["pre.observation.language.tokens"], 0)
    assert_close(inputs["token_mask"], stages["pre.observation.language.attention_mask"], 0)
    scaling = state_scaling(run.policy.manifest.normalization)
    state = scaling.normalize(run.given.joints).astype(np.float32)
    assert_close(torch.from_numpy(state)[None], stages["pre.observation.state"], 1e-6)
    prompt = prompt_of(stages.text("raw.task"), state_numbers(state))
    assert prompt == stages.text("pre.prompt")


def test_an_empty_camera_is_no_slot_and_costs_nothing(run):
    """The reference carries it as masked tokens; ours has the same tokens without them."""
    mask = run.golden["prefix.pad_mask"]
    assert mask.shape[1] == run.context.mask.shape[1] + 16
    assert mask.sum() == run.context.mask.sum()
    assert [slot.name for slot in run.policy.manifest.interface.cameras] == [
        "base_0_rgb", "left_wrist_0_rgb",
    ]  # fmt: skip


def test_vision_features_and_tokens(run):
    network, stages = run.policy.network, run.golden
    with torch.no_grad():
        x, mask = network.embed(run.inputs)
    for camera in range(2):
        assert_close(x[:, 16 * camera : 16 * camera + 16], stages[f"vision.features.{camera}"])
    assert_close(x[mask], stages["prefix.embs"][stages["prefix.pad_mask"]])


def test_keys_and_values_of_each_layer(run):
    known = run.golden["prefix.pad_mask"][0]
    ours = run.context.mask[0]
    for layer, pair in enumerate(zip(run.context.keys, run.context.values, strict=True)):
        for kind, found in zip("kv", pair, strict=True):
            assert_close(found[:, :, ours], run.golden[f"prefix.{kind}.{layer}"][:, :, known])


def test_velocity_of_every_step(run):
    stages = run.golden
    steps = zip(stages["step.x_t"], stages["step.t"], stages["step.v_t"], strict=True)
    with torch.no_grad():
        for x_t, time, velocity in steps:
            assert_close(run.policy.network.velocity(x_t, float(time), run.context), velocity)


def test_the_flow_and_the_action_in_the_robots_units(run):
    stages, policy = run.golden, run.policy
    assert policy.manifest.denoise_steps == FLOW.steps == len(stages["step.t"])
    with torch.no_grad():
        chunk = normalized_chunk(policy.network, stages["noise"], run.context, FLOW)
    assert_close(chunk, stages["chunk.padded"])
    actions = policy.infer(run.given, stages["noise"][0].numpy()).actions
    assert_close(actions[None].astype(np.float32), stages["actions"])


def test_weights_of_16_bits_stay_assert_close(run):
    """The published files are bfloat16; the bound is that of its 8 bits at this size."""
    policy = float_policy(run.golden.path, torch.bfloat16)
    with torch.no_grad():
        context = policy.network.encode(run.inputs)
        chunk = normalized_chunk(policy.network, run.golden["noise"], context, FLOW)
    error = (chunk - run.golden["chunk.padded"]).abs().max()
    assert 1e-5 < error < 0.02


def test_a_chunk_in_a_file_is_compared(run, tmp_path):
    """As a user compares a checkpoint that LeRobot does not read."""
    pictures = {f"image.{name}": picture for name, picture in run.given.images.items()}
    given = {"joints": run.given.joints, "task": run.given.instruction}
    known = {key: run.golden[key][0].numpy() for key in ("noise", "actions")}
    np.savez(tmp_path / "chunk.npz", **pictures, **given, **known)
    assert largest_difference(run.policy, tmp_path / "chunk.npz") < 5e-5
    known["actions"] = known["actions"] + 0.1
    np.savez(tmp_path / "other.npz", **pictures, **given, **known)
    assert largest_difference(run.policy, tmp_path / "other.npz") > 1e-2
