# SPDX-License-Identifier: Apache-2.0
"""openpi's PyTorch layout: the same weights under its names, its statistics, its configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.parity import PARITY, golden
from support.tiny_pi05 import CAMERAS, SIZES, float_policy, imported, observation, robot

from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.robot.robot_file import RobotFile

WORDS = "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
LOGITS = "paligemma_with_expert.paligemma.lm_head.weight"
CONFIG = {
    "action_dim": 32,
    "action_horizon": 8,
    "paligemma_variant": "gemma_2b",
    "action_expert_variant": "gemma_300m",
    "precision": "float32",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The golden weights in openpi's layout, where the table of words is stored once."""
    path = tmp_path_factory.mktemp("openpi") / "checkpoint"
    (path / "assets/own").mkdir(parents=True)
    stored = load_file(PARITY / "pi05/model.safetensors")
    tensors = {name.removeprefix("model."): tensor for name, tensor in stored.items()}
    tensors[LOGITS] = tensors.pop(WORDS)
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(CONFIG))
    known = load_file(PARITY / "pi05/policy_preprocessor_step_3_normalizer_processor.safetensors")
    stats = {
        ours: {key: known[f"{theirs}.{key}"].tolist() for key in ("mean", "std", "q01", "q99")}
        for ours, theirs in (("state", "observation.state"), ("actions", "action"))
    }
    # openpi pads what is behind the robot's own values.
    stats["actions"] = {key: [*value, *([0.0] * 25)] for key, value in stats["actions"].items()}
    (path / "assets/own/norm_stats.json").write_text(json.dumps({"norm_stats": stats}))
    return path


def test_the_network_is_the_same(checkpoint):
    known, policy = golden("pi05"), float_policy(checkpoint, embodiment="absolute")
    inputs = {
        "images": torch.stack([known[f"model.image.{i}"] for i in range(2)], dim=1),
        "camera_mask": torch.ones(1, 2, dtype=torch.bool),
        "tokens": known["pre.observation.language.tokens"],
        "token_mask": known["pre.observation.language.attention_mask"],
    }
    with torch.no_grad():
        context = policy.network.encode(inputs)
        chunk = normalized_chunk(policy.network, known["noise"], context, Flow(10))
    torch.testing.assert_close(chunk, known["chunk.padded"], rtol=0, atol=5e-5)


def test_quantiles_are_openpis(checkpoint):
    """It adds 1e-6 to every range; values behind the robot's own are padding."""
    policy = float_policy(checkpoint, embodiment="absolute")
    norm = policy.manifest.normalization
    assert (norm.action.eps, norm.action.eps_where) == (1e-6, "always")
    low, high = np.array(norm.action.low), np.array(norm.action.high)
    assert low.shape == (7,)
    chunk = golden("pi05")["chunk.padded"][0].numpy()
    found = policy.processing.actions(chunk, observation("pi05"))
    wanted = (chunk[:, :7].astype(np.float64) + 1) / 2 * (high - low + 1e-6) + low
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_pictures_are_resized_as_bytes(checkpoint):
    inputs = float_policy(checkpoint, embodiment="absolute").processing.inputs(observation("pi05"))
    pixels = (inputs["images"] + 1) * 127.5
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-4)
    assert pixels[:, :, :7].max() == 0.0  # a border of black


def test_libero_has_no_state_in_its_prompt(checkpoint):
    """So that it does not matter where the robot's joints are, and what LIBERO's state was."""
    policy = float_policy(checkpoint, embodiment="pi05_libero")
    assert policy.manifest.normalization.state.kind == "identity"
    given = observation("pi05")
    tokens = policy.processing.inputs(given)["tokens"]
    other = type(given)(given.images, given.joints + np.float32(1.0), given.instruction, 0.0)
    np.testing.assert_array_equal(policy.processing.inputs(other)["tokens"], tokens)
    assert len(tokens) == 200


def fast():
    """The robot, whose arm is commanded as DROID counts velocities."""
    plain = robot().model_dump(exclude_none=True)
    plain["groups"]["arm"]["velocity"] = {"unit": "-1..1", "ends": (-3.0, 3.0), "si": "rad/s"}
    return RobotFile.model_validate(plain)


def test_droids_velocities_act_from_the_state_on_and_its_gripper_is_a_position(checkpoint):
    policy = float_policy(checkpoint, embodiment="pi05_droid", robot=fast())
    interface, given = policy.manifest.interface, observation("pi05")
    assert interface.action.velocity.tolist() == [True] * 6 + [False]
    chunk = golden("pi05")["chunk.padded"][0].numpy()
    low, high = (np.array(end) for end in (policy.manifest.normalization.action.low,
                                           policy.manifest.normalization.action.high))  # fmt: skip
    values = (chunk[:, :7].astype(np.float64) + 1) / 2 * (high - low + 1e-6) + low
    wanted = given.joints[:6] + np.cumsum(3.0 * values[:, :6], axis=0) / 10.0
    found = policy.processing.actions(chunk, given)
    np.testing.assert_allclose(found[:, :6], wanted, atol=1e-6)
    np.testing.assert_allclose(found[:, 6], values[:, 6], atol=1e-9)


def test_deltas_are_of_the_arms_alone(checkpoint):
    made = imported(checkpoint, embodiment="delta")
    assert made.manifest.interface.action.relative.tolist() == [True] * 6 + [False]
    assert not imported(checkpoint, embodiment="absolute").manifest.interface.action.relative.any()
    assert "adapt_to_pi" in imported(checkpoint, embodiment="pi05_aloha").notes[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "--embodiment"),
        ({"embodiment": "so101"}, "is not told by 'so101'"),
        ({"embodiment": "pi05_droid"}, "write 'velocity' below group 'arm'"),
        ({"embodiment": "absolute", "robot": fast()}, "take 'velocity' out"),
        ({"embodiment": "absolute", "tokenizer": None}, "google/paligemma-3b-pt-224"),
        ({"embodiment": "absolute", "robot": robot(cameras=("front",))}, "no camera"),
    ],
)
def test_what_no_file_says_is_asked_for(checkpoint, given, said):
    with pytest.raises(CheckpointError, match=said):
        imported(checkpoint, **given)


def test_without_statistics_it_says_where_they_are_looked_for(checkpoint, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(checkpoint / name)
    with pytest.raises(CheckpointError, match="--norm-stats"):
        imported(tmp_path, embodiment="absolute")


def test_cameras_are_the_robots_of_openpis_three(checkpoint):
    made = imported(checkpoint, embodiment="absolute")
    assert [slot.name for slot in made.manifest.interface.cameras] == list(CAMERAS)
    assert made.cameras.absent == ("right_wrist_0_rgb",)
    assert all(slot.height == 56 for slot in made.manifest.interface.cameras)
    assert SIZES["head_width"] == made.manifest.architecture["head_width"]
