# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from support.tiny_policy import (
    CONFIG,
    FLOW,
    HORIZON,
    JOINTS,
    STEPS,
    WORDS,
    observations,
    save_tiny_bundle,
    tiny_manifest,
    tiny_network,
)

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundle") / "float")


@pytest.fixture(scope="module")
def policy(path):
    return load_policy(path, "reference")


def test_chunk_is_the_networks_answer_in_the_robots_units(policy):
    observation = observations(1)[0]
    noise = draw_noise(policy.manifest, 3, 0)
    chunk = policy.infer(observation, noise)
    network = tiny_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
        context = network.encode(policy.inputs(observation))
        normalized = normalized_chunk(network, torch.from_numpy(noise)[None], context, FLOW)
    x = normalized[0].double().numpy()
    expected = x * [0.1, 0.1, 0.02] + [0, 0, 0.02]
    expected[:, :2] += observation.joints[:2]
    np.testing.assert_allclose(chunk.actions, expected, atol=1e-5)
    assert chunk.stamp == observation.stamp
    assert set(chunk.timings_ms) == {"preprocess", "encode", "denoise", "postprocess"}
    assert len(chunk.steps_ms) == STEPS
    assert sum(chunk.steps_ms) == pytest.approx(chunk.timings_ms["denoise"])


def test_chunk_continues_a_prefix_given_in_the_robots_units(policy):
    observation = observations(1)[0]
    noise = draw_noise(policy.manifest, 3, 0)
    free = policy.infer(observation, noise).actions
    prefix = ActionPrefix(free[:4] + np.array([0.1, -0.1, 0.01]), committed=2)
    guided = policy.infer(observation, noise, prefix).actions
    np.testing.assert_allclose(guided[:2], prefix.actions[:2], atol=1e-5)
    off = np.abs(guided[2:4] - prefix.actions[2:4]).mean()
    assert off < 0.7 * np.abs(free[2:4] - prefix.actions[2:4]).mean()
    np.testing.assert_array_equal(guided, policy.infer(observation, noise, prefix).actions)
    with pytest.raises(QuantVLAError, match="rows of 3"):
        policy.infer(observation, noise, ActionPrefix(np.zeros((2, 2)), 1))


def test_chunk_of_a_network_wider_than_the_actions_continues_a_prefix(tmp_path):
    config, manifest = CONFIG.model_copy(update={"action_width": 7}), tiny_manifest()
    action = dataclasses.replace(manifest.interface.action, width=7)
    changes = {
        "architecture": config.model_dump(mode="json"),
        "interface": dataclasses.replace(manifest.interface, action=action),
    }
    tensors = {k: v.half() for k, v in tiny_network(config=config).state_dict().items()}
    path = save_bundle(
        tmp_path / "b", manifest.model_copy(update=changes), tensors, build_word_tokenizer(WORDS)
    )
    policy = load_policy(path, "cpu")
    observation, noise = observations(1)[0], draw_noise(policy.manifest, 3, 0)
    prefix = ActionPrefix(policy.infer(observation, noise).actions[:2] + 0.01, committed=2)
    guided = policy.infer(observation, noise, prefix).actions
    np.testing.assert_allclose(guided[:2], prefix.actions, atol=1e-5)


def test_inputs_go_to_the_runners_device_and_the_chunk_comes_back(path):
    policy = load_policy(path, "reference")

    class OnDevice:
        device = "meta"

        def encode(self, inputs):
            return {value.device.type for value in inputs.values()}

        def velocity(self, x_t, time, context):
            assert {x_t.device.type} == context == {"meta"}
            return torch.zeros_like(x_t)

    policy.runner, noise = OnDevice(), draw_noise(policy.manifest, 3, 0)
    prefix = ActionPrefix(np.zeros((2, 3)), committed=1)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        policy.infer(observations(1)[0], noise, prefix)


def test_same_inputs_same_chunk_other_noise_other_chunk(policy):
    observation = observations(1)[0]
    first = policy.infer(observation, draw_noise(policy.manifest, 1, 5)).actions
    again = policy.infer(observation, draw_noise(policy.manifest, 1, 5)).actions
    other = policy.infer(observation, draw_noise(policy.manifest, 1, 6)).actions
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_noise_depends_on_seed_and_counter_only(policy):
    draws = {(s, c): draw_noise(policy.manifest, s, c) for s in (0, 1) for c in (0, 1)}
    assert draws[0, 0].shape == (HORIZON, len(JOINTS))
    assert len({d.tobytes() for d in draws.values()}) == 4
    np.testing.assert_array_equal(draws[1, 1], draw_noise(policy.manifest, 1, 1))


def test_instruction_reaches_the_network(policy):
    observation = observations(1)[0]
    other = dataclasses.replace(observation, instruction="put the butter in the basket")
    noise = draw_noise(policy.manifest, 0, 0)
    assert not np.allclose(
        policy.infer(observation, noise).actions, policy.infer(other, noise).actions
    )


def test_missing_camera_is_named(policy):
    observation = observations(1)[0]
    broken = dataclasses.replace(observation, images={"front": observation.images["front"]})
    with pytest.raises(QuantVLAError, match="wrist"):
        policy.infer(broken, draw_noise(policy.manifest, 0, 0))


def test_weight_bytes_are_those_of_the_tensors(path, policy):
    whole, layer = sum(p.numel() for p in tiny_network().parameters()), 64 * 32
    name = ["language_model.layers.0.mlp.up_proj"]
    wide = load_policy(path, "cpu")
    assert wide.layer_bytes(name) == 4 * layer
    stored = policy.weight_bytes()  # all linears as they are on disk, the little else is wide
    assert 2 * whole < stored < 3 * whole and stored < wide.weight_bytes()
    assert policy.layer_bytes(name) == 2 * layer


def test_the_cpus_instructions_give_the_yardsticks_chunks(path, policy):
    fast = load_policy(path, "cpu")
    for observation in observations(2):
        noise = draw_noise(policy.manifest, 0, 0)
        expected = policy.infer(observation, noise).actions
        np.testing.assert_allclose(fast.infer(observation, noise).actions, expected, atol=1e-4)
        prefix = ActionPrefix(expected[:3] + 0.05, 2)
        np.testing.assert_allclose(
            fast.infer(observation, noise, prefix).actions,
            policy.infer(observation, noise, prefix).actions,
            atol=1e-4,
        )


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_bfloat16_bundle_runs_as_its_weights_widened(tmp_path, backend):
    tensors = {k: v.bfloat16() for k, v in tiny_network().state_dict().items()}
    for name, content in (("bf16", tensors), ("f32", {k: v.float() for k, v in tensors.items()})):
        save_bundle(tmp_path / name, tiny_manifest(), content, build_word_tokenizer(WORDS))
    observation, noise = observations(1)[0], draw_noise(tiny_manifest(), 0, 0)
    got, expected = (
        load_policy(tmp_path / name, backend).infer(observation, noise).actions
        for name in ("bf16", "f32")
    )
    np.testing.assert_allclose(got, expected, atol=1e-6)
