# SPDX-License-Identifier: Apache-2.0
"""What an import reads, the one sentence where it cannot, and what the layouts mean."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest
from safetensors.torch import load_file, save_file
from support.imported import assert_tensors_are_counted
from support.imported_act import NAME, imported, made, options
from support.parity import golden

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_manifest, load_tokenizer
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.act_policy.importer import import_act
from quantvla_ros.models.act_policy.roles import layer_roles, siblings
from quantvla_ros.processing.instruction import InstructionCheck, Judgement


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(golden(NAME).path, tmp_path / "act")


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda c: c.update(pre_norm=True), r"config.json sets pre_norm to True.*train with false"),
        (lambda c: c.update(vision_backbone="resnet50"), r"resnet50.*resnet18 or resnet34"),
        (lambda c: c.update(n_obs_steps=2), "n_obs_steps: the policy remembers"),
        (
            lambda c: c["input_features"].update(
                {"observation.environment_state": {"type": "ENV", "shape": [3]}}
            ),
            "'observation.environment_state', which no robot observes",
        ),
        (
            lambda c: c["input_features"]["observation.images.front"].update(shape=[3, 240, 320]),
            "pictures of 240 x 320 and 480 x 640 pixels",
        ),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(copied, change, said):
    edit(copied / "config.json", change)
    with pytest.raises(CheckpointError, match=said):
        made(copied)


def test_another_family_is_left_to_others(copied):
    edit(copied / "config.json", lambda c: c.update(type="diffusion"))
    assert import_act(open_checkpoint(copied), options()) is None


def test_statistics_of_pictures_are_needed_where_they_are_scaled(copied):
    file = next(copied.glob("policy_preprocessor_step_*.safetensors"))
    kept = {name: t for name, t in load_file(file).items() if "images.front" not in name}
    save_file(kept, file)
    with pytest.raises(CheckpointError, match=r"no statistics of 'observation.images.front'"):
        made(copied)


def test_a_weight_too_many_and_one_too_few_are_named(copied):
    file = copied / "model.safetensors"
    assert_tensors_are_counted(file, "model.", "backbone.bn1.running_var", lambda: made(copied))


def test_any_instruction_moves_the_arm_whatever_it_was_calibrated_on():
    check = InstructionCheck(load_tokenizer(imported(), load_manifest(imported())), ["fold"])
    assert check.judge("把毛巾叠好") == Judgement() == check.judge("")
    assert check.judge("x" * 600).refusal


def test_encoder_and_decoder_are_the_layouts_linears_and_no_head_is_there():
    network = load_policy(imported(), "reference").network
    count = Counter(layer_roles(network).values())
    assert count == {"llm_attn": 4 * (2 + 1 + 2) - 1, "llm_mlp": 2 * (2 + 2), "projection": 4}
    assert [len(group) for group in siblings(network)] == [2] * 3
