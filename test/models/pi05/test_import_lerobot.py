# SPDX-License-Identifier: Apache-2.0
"""LeRobot checkpoints: versions, what is read from their files, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.parity import PARITY, golden
from support.tiny_pi05 import changed, float_bundle, float_policy, imported, observation, robot

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.pi05.importer import importer
from quantvla_ros.models.pi05.prompts import prompt_of, state_numbers

RELATIVE, ABSOLUTE = "relative_actions_processor", "absolute_actions_processor"
WORDS = "model.paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
LOGITS = "model.paligemma_with_expert.paligemma.lm_head.weight"


def without(tmp_path, *steps):
    """The golden checkpoint as LeRobot 0.4 writes it: without steps that it did not know."""

    def change(content):
        content["steps"] = [s for s in content["steps"] if s["registry_name"] not in steps]

    path = changed("pi05", tmp_path / "old", "policy_preprocessor.json", change)
    post = json.loads((path / "policy_postprocessor.json").read_text())
    change(post)
    (path / "policy_postprocessor.json").write_text(json.dumps(post))
    return path


def reweighed(tmp_path, change):
    path = changed("pi05", tmp_path / "weights", "config.json", lambda content: None)
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors")
    return path


def test_every_tensor_is_used_or_known_to_be_of_no_use():
    made = imported("pi05")
    made.weights.check(empty_network(made.manifest).state_dict())


def test_where_both_tables_of_words_are_stored_the_first_one_counts():
    stored = load_file(PARITY / "pi05/model.safetensors")
    assert not torch.equal(stored[WORDS], stored[LOGITS])
    found = imported("pi05").weights["language_model.embed_tokens.weight"]
    assert torch.equal(found, stored[WORDS])


def test_a_file_with_the_table_of_logits_alone_is_tied(tmp_path):
    path = reweighed(tmp_path, lambda tensors: tensors.pop(WORDS))
    logits = load_file(PARITY / "pi05/model.safetensors")[LOGITS]
    assert torch.equal(imported(path).weights["language_model.embed_tokens.weight"], logits)


def test_lerobot_0_4_pads_the_state_in_the_prompt_and_has_its_own_borders(tmp_path):
    made = imported(without(tmp_path, RELATIVE, ABSOLUTE))
    assert made.manifest.architecture["state_in_prompt"] == 32
    assert made.manifest.architecture["border"] == -3.0
    assert "LeRobot 0.4" in made.notes[0]
    policy, tokenizer = float_policy(tmp_path / "old"), float_bundle(tmp_path / "old").tokenizer
    inputs = policy.processing.inputs(observation("pi05"))
    assert inputs["images"].min() == -3.0
    known = golden("pi05")
    state = known["pre.observation.state"][0].numpy()
    numbers = state_numbers(np.pad(state, (0, 24)))
    prompt = prompt_of(known.task, numbers)
    assert prompt.count(" 128") >= 24
    np.testing.assert_array_equal(inputs["tokens"], tokenizer.encode(prompt)[0])


def test_a_newer_training_on_an_old_pipeline_can_be_told(tmp_path):
    path = without(tmp_path, RELATIVE, ABSOLUTE)
    sizes = {"head_width": 16, "vision_heads": 4, "state_in_prompt": 8, "border": -1.0}
    policy = float_policy(path, sizes=sizes)
    known = golden("pi05")
    actions = policy.infer(observation("pi05"), known["noise"][0].numpy()).actions
    np.testing.assert_allclose(actions, known["actions"][0], atol=5e-5)


def test_relative_actions_are_added_to_the_state_of_the_prediction():
    """All joints but the excluded gripper; whatever the robot did meanwhile."""
    policy, known = float_policy("pi05_relative"), golden("pi05_relative")
    given = observation("pi05_relative")
    moved = type(given)(given.images, given.joints + np.float32(0.25), given.instruction, 1.0)
    chunk = known["chunk.normalized"][0].numpy()
    change = policy.processing.actions(chunk, moved) - policy.processing.actions(chunk, given)
    np.testing.assert_allclose(change, [[0.25] * 6 + [0.0]] * 8, atol=1e-6)


def test_a_camera_that_the_robot_lacks_is_left_out():
    made = imported("pi05", robot=robot(cameras=("base_0_rgb",)))
    assert [slot.name for slot in made.manifest.interface.cameras] == ["base_0_rgb"]
    assert made.manifest.architecture["cameras"] == 1
    assert made.cameras.absent == ("observation.images.left_wrist_0_rgb",)


def test_statistics_can_be_given(tmp_path):
    file = tmp_path / "stats.json"
    known = {"q01": [-2.0] * 8, "q99": [2.0] * 8, "mean": [0.0] * 8, "std": [1.0] * 8}
    file.write_text(json.dumps({"observation.state": known}))
    given = imported("pi05", norm_stats=file).manifest.normalization
    assert given.state.low == [-2.0] * 8
    assert given.action.low == imported("pi05").manifest.normalization.action.low


@pytest.mark.parametrize(
    ("change", "sizes", "said"),
    [
        (lambda t: t.pop("model.action_in_proj.weight"), None, "action_in_proj.weight"),
        (lambda t: None, {}, "head_width"),
        (lambda t: None, {"head_width": 16, "vision_heads": 5}, "vision_heads"),
        (lambda t: None, {"head_width": 16, "vision_heads": 4, "mpl": 3}, "mpl"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path, change, sizes, said):
    path = reweighed(tmp_path, change)
    more = {} if sizes is None else {"sizes": sizes}
    with pytest.raises(CheckpointError, match=said) as found:
        imported(path, **more)
    assert "\n" not in str(found.value) and "--sizes" in str(found.value)


def test_a_tensor_too_many_is_named(tmp_path):
    path = reweighed(tmp_path, lambda t: t.update({"model.state_proj.weight": torch.zeros(2, 2)}))
    made = imported(path)
    with pytest.raises(CheckpointError, match="state_proj"):
        made.weights.check(empty_network(made.manifest).state_dict())


def test_another_familys_checkpoint_is_none_of_this_one():
    assert importer(open_checkpoint(PARITY / "smolvla"), None) is None
