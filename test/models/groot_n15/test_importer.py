# SPDX-License-Identifier: Apache-2.0
"""What an import reads, and the one sentence where it cannot."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.imported import assert_tensors_are_counted
from support.imported_groot import robot
from support.imported_groot_n15 import NAME, made, nvidia_checkpoint, options
from support.parity import golden

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.groot_n15.importer import importer

METADATA = "experiment_cfg/metadata.json"


@pytest.fixture
def lerobot(tmp_path):
    return shutil.copytree(golden(NAME).path, tmp_path / "lerobot")


@pytest.fixture
def nvidia(tmp_path):
    return nvidia_checkpoint(tmp_path / "nvidia")


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_step(path, name, **fields):
    def change(content):
        step = next(s for s in content["steps"] if s["registry_name"] == name)
        step["config"].update(fields)

    edit(path / "policy_preprocessor.json", change)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(type="act"),
        lambda c: c.pop("tokenizer_assets_repo"),
        lambda c: (c.pop("type"), c.update(model_type="Gr00tN1d7")),
    ],
)
def test_another_family_and_the_generation_behind_are_left_to_others(lerobot, change):
    edit(lerobot / "config.json", change)
    assert importer(open_checkpoint(lerobot), options()) is None


def test_the_word_table_is_taken_from_either_twin(lerobot):
    file = lerobot / "model.safetensors"
    tensors = load_file(file)
    language = "_groot_model.backbone.eagle_model.language_model."
    stored = tensors[f"{language}lm_head.weight"]
    assert torch.equal(made(lerobot).weights["language_model.embed_tokens.weight"], stored)
    tensors[f"{language}model.embed_tokens.weight"] = stored + 1.0  # wins where both are there
    save_file(tensors, file)
    assert torch.equal(made(lerobot).weights["language_model.embed_tokens.weight"], stored + 1.0)


def test_an_embodiment_is_chosen_by_its_name(lerobot):
    own, other = made(lerobot), made(lerobot, embodiment="so100")
    stacked = load_file(lerobot / "model.safetensors")[
        "_groot_model.action_head.action_decoder.layer1.W"
    ]
    assert torch.equal(own.weights["action_decoder.fc1.weight"], stacked[31].T)
    assert torch.equal(other.weights["action_decoder.fc1.weight"], stacked[2].T)
    with pytest.raises(CheckpointError, match=r"no embodiment 'panda'.*--embodiment TAG: .*gr1"):
        made(lerobot, embodiment="panda")


def test_groups_and_their_order_can_be_told(nvidia):
    sizes = options().sizes
    turned = {**sizes, "state_keys": ["state.gripper"], "action_keys": ["gripper", "single_arm"]}
    seven = robot("groot").model_copy(update={"state": ["grip"], "action": ["grip", *ARM]})
    manifest = made(nvidia, sizes=turned, robot=seven).manifest
    known = json.loads((nvidia / METADATA).read_text())["new_embodiment"]["statistics"]
    assert manifest.normalization.state.low == known["state"]["gripper"]["min"]
    wanted = known["action"]["gripper"]["max"] + known["action"]["single_arm"]["max"]
    assert manifest.normalization.action.high == [wanted] * 9
    assert "its action is taken as single_arm, gripper" in " ".join(made(nvidia).notes)
    with pytest.raises(CheckpointError, match=r"no state 'leg'.*it has single_arm, gripper"):
        made(nvidia, sizes={**sizes, "state_keys": ["leg"]})


ARM = [f"j{n}" for n in range(6)]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda c: c.update(gr1=c.pop("new_embodiment")), "of 'gr1', whose state is told by sines"),
        (lambda c: c.clear(), r"several embodiments; choose one"),
        (
            lambda c: c["new_embodiment"]["modalities"]["state"]["gripper"].update(
                rotation_type="quaternion"
            ),
            "'gripper', a rotation told as quaternion, and does not say.*target_rotations of",
        ),
        (
            lambda c: c["new_embodiment"]["statistics"]["action"].pop("gripper"),
            r"metadata.json has no statistics of action group 'gripper'",
        ),
    ],
)
def test_what_metadata_asks_beyond_ranges_is_refused(nvidia, change, said):
    edit(nvidia / METADATA, change)
    with pytest.raises(CheckpointError, match=said):
        made(nvidia)


def test_a_missing_file_is_named(nvidia):
    (nvidia / METADATA).unlink()
    with pytest.raises(CheckpointError, match=r"has no experiment_cfg/metadata.json"):
        made(nvidia)


def test_switches_that_are_not_followed_are_refused(nvidia):
    edit(nvidia / "config.json", lambda c: c["action_head_cfg"].update(use_vlln=False))
    sizes = {"backbone": options().sizes["backbone"]}
    with pytest.raises(CheckpointError, match=r"config.json sets use_vlln .* to False"):
        made(nvidia, sizes=sizes)


@pytest.mark.parametrize(
    "fields, said",
    [({"state_horizon": 3}, "state_horizon 3: the policy looks back"), ({"memory": 1}, "memory")],
)
def test_what_the_packing_step_asks_beyond_this_is_refused(lerobot, fields, said):
    edit_step(lerobot, "groot_pack_inputs_v3", **fields)
    with pytest.raises(CheckpointError, match=said):
        made(lerobot)


def test_a_weight_too_many_and_one_too_few_are_named(lerobot):
    file = lerobot / "model.safetensors"
    assert_tensors_are_counted(
        file, "_groot_model.", "action_head.future_tokens.weight", lambda: made(lerobot)
    )


def test_sizes_and_tokenizer_that_are_not_there_are_asked_for(lerobot):
    with pytest.raises(CheckpointError, match=r"--sizes FILE"):
        made(lerobot, sizes={})
    with pytest.raises(CheckpointError, match=r"eagle2hg-processor-groot-n1p5.*--tokenizer PATH"):
        made(lerobot, tokenizer=None)


def test_a_camera_that_the_robot_does_not_have_is_left_out(lerobot):
    one = robot("groot").model_copy(update={"cameras": {"wrist": "/wrist"}})
    found = made(lerobot, robot=one)
    assert [slot.name for slot in found.manifest.interface.cameras] == ["wrist"]
    assert found.cameras.absent == ("observation.images.front",)
    assert found.manifest.architecture["between"] == []
