# SPDX-License-Identifier: Apache-2.0
"""What an import makes of the golden checkpoint, and what it says of damaged ones."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.arm_and_hand import CAMERAS, JOINTS
from support.smolvla import GOLDEN, imported, network, options, robot

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.smolvla.importer import import_smolvla

PRE, POST = "policy_preprocessor.json", "policy_postprocessor.json"


@pytest.fixture
def copy(tmp_path):
    """A checkpoint of its own to damage."""
    path = tmp_path / "checkpoint"
    shutil.copytree(GOLDEN.path, path, ignore=shutil.ignore_patterns("golden.safetensors", "hub"))
    return path


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_tensors(file, change):
    save_file(change(load_file(file)), file)


def the_import(path, **given):
    return import_smolvla(open_checkpoint(path), options(**given))


def test_sizes_cameras_and_names_come_from_checkpoint_and_robot():
    manifest = imported().manifest
    interface = manifest.interface
    assert [slot.name for slot in interface.cameras] == list(CAMERAS)
    assert imported().cameras.keys == {
        "front": "observation.images.camera1",
        "wrist": "observation.images.camera2",
    }
    assert {(slot.height, slot.width) for slot in interface.cameras} == {(128, 128)}
    assert interface.state.names == list(JOINTS) and interface.action.names == list(JOINTS[:7])
    assert (interface.state.width, interface.action.width) == (32, 32)
    assert (interface.horizon, interface.dt) == (8, 0.1)
    assert manifest.denoise_steps == 10
    imported().weights.check(empty_network(manifest).state_dict())


def test_another_familys_checkpoint_is_left_to_it(copy):
    edit(copy / "config.json", lambda config: config.update(type="act"))
    assert the_import(copy) is None


def test_compiled_names_and_leftover_buffers_of_old_versions_change_nothing(copy):
    def older(tensors):
        odd = {
            "normalize_inputs.so100_buffer_observation_state.mean": torch.full((8,), torch.inf),
            "unnormalize_outputs.so100_buffer_action.std": torch.ones(7),
        }
        return {k.replace("model.", "model._orig_mod.", 1): v for k, v in tensors.items()} | odd

    edit_tensors(copy / "model.safetensors", older)
    made, expected = the_import(copy), imported()
    assert set(made.weights) == set(expected.weights)
    assert all(torch.equal(made.weights[name], expected.weights[name]) for name in made.weights)


def test_a_table_that_is_only_the_output_layers_is_read(copy):
    def tied(tensors):
        tensors.pop("model.vlm_with_expert.vlm.model.text_model.embed_tokens.weight")
        return tensors

    edit_tensors(copy / "model.safetensors", tied)
    table = the_import(copy).weights["text_model.embed_tokens.weight"]
    head = load_file(GOLDEN.path / "model.safetensors")["model.vlm_with_expert.vlm.lm_head.weight"]
    assert torch.equal(table, head)


def test_mixed_types_are_kept(copy):
    def mixed(tensors):
        return {k: v.bfloat16() if ".vlm." in k else v for k, v in tensors.items()}

    edit_tensors(copy / "model.safetensors", mixed)
    weights = the_import(copy).weights
    kinds = {name: weights.meta(name).dtype for name in weights}
    assert kinds["text_model.layers.0.mlp.up_proj.weight"] == torch.bfloat16
    assert kinds["lm_expert.layers.0.mlp.up_proj.weight"] == torch.float32


def base_statistics(tensors):
    """As smolvla_base has them: of three data sets, by their names, and none of a state."""
    action = {k: v for k, v in tensors.items() if k.startswith("action.")}
    return {f"{k}.buffer.{n}": v.clone() for k in ("so100", "so100-red") for n, v in action.items()}


def test_statistics_that_are_named_otherwise_are_not_passed_over(copy, tmp_path):
    for file in copy.glob("*_processor.safetensors"):
        edit_tensors(file, base_statistics)
    words = r"\.safetensors has no statistics of 'observation\.state', .*'so100\.buffer\.action'.*"
    with pytest.raises(CheckpointError, match=f"{words}--norm-stats FILE"):
        the_import(copy)
    stats = {
        name: {"mean": [0.5] * count, "std": [2.0] * count}
        for name, count in (("observation.state", 8), ("action", 7))
    }
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    norm = the_import(copy, norm_stats=tmp_path / "stats.json").manifest.normalization
    assert norm.state_mean == [0.5] * 8 and norm.action_std == [[2.0] * 7] * 8


def test_a_picture_that_the_robot_lacks_is_left_out(copy):
    one = robot().model_copy(update={"cameras": {"wrist": "wrist/image_raw"}})
    made = the_import(copy, robot=one)
    assert [slot.name for slot in made.manifest.interface.cameras] == ["wrist"]
    assert made.cameras.absent == ("observation.images.camera1",)
    assert network(made).config.cameras == 1


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"add_image_special_tokens": True}, "add_image_special_tokens to True"),
        ("config.json", {"adapt_to_pi_aloha": True}, "adapt_to_pi_aloha to True"),
        ("config.json", {"attention_mode": "self_attn"}, "another kind of attention"),
        ("config.json", {"num_expert_layers": 2}, "an expert of fewer layers"),
        ("config.json", {"resize_imgs_with_padding": None}, "not resized to a square"),
        ("config.json", {"n_obs_steps": 2}, "more than one observation"),
        ("config.json", {"output_features": {}}, "lists no feature 'action'"),
        ("config.json", {"chunk_size": 0}, "not valid at chunk_size"),
        (PRE, None, "migrate_policy_normalization"),
        ("policy_preprocessor_step_5_normalizer_processor.safetensors", None, "is missing"),
    ],
)
def test_what_is_not_carried_over_is_said(copy, file, change, words):
    if change is None:
        (copy / file).unlink()
    else:
        edit(copy / file, lambda content: content.update(change))
    with pytest.raises(CheckpointError, match=words) as refused:
        the_import(copy)
    assert "\n" not in str(refused.value) and re.search(r"[.]json|checkpoint", str(refused.value))


def test_a_step_that_nobody_knows_or_that_is_missing_is_named(copy):
    def unknown(content):
        content["steps"].insert(2, {"registry_name": "memory_processor", "config": {}})

    def without(content):
        content["steps"] = [s for s in content["steps"] if "new_line" not in s["registry_name"]]

    for change, words in ((without, "no step 'smolvla_new_line"), (unknown, "'memory_processor'")):
        edit(copy / PRE, change)
        with pytest.raises(CheckpointError, match=words):
            the_import(copy)


def test_published_heads_do_not_fit_a_small_network_and_the_sentence_says_how():
    made = the_import(GOLDEN.path, sizes={})
    with pytest.raises(CheckpointError, match=r"which is .*--sizes FILE"):
        made.weights.check(empty_network(made.manifest).state_dict())
