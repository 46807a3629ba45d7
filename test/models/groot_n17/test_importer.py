# SPDX-License-Identifier: Apache-2.0
"""What an import reads, and the one sentence where it cannot."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.imported import assert_tensors_are_counted
from support.imported_groot import checkpoint_of, imported, needs_opencv, options, robot
from support.parity import golden

from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.groot_n17.importer import importer

SHARDS = "model-0000{}-of-00002.safetensors"


@pytest.fixture
def copied(tmp_path):
    """A copy of a golden checkpoint, and its golden."""

    def copy(name):
        needs_opencv(name)
        known = golden(name)
        return shutil.copytree(checkpoint_of(known), tmp_path / name), known

    return copy


def run(path, known, **changes):
    made = importer(open_checkpoint(path), options(known, **changes))
    made.weights.check(empty_network(made.manifest).state_dict())
    return made


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_step(path, pipeline, name, **fields):
    def change(content):
        step = next(s for s in content["steps"] if s["registry_name"] == name)
        step["config"].update(fields)

    edit(path / pipeline, change)


def pack(path, **fields):
    edit_step(path, "policy_preprocessor.json", "groot_n1_7_pack_inputs_v1", **fields)


def test_another_family_is_left_to_others(copied):
    path, known = copied("groot")
    edit(path / "config.json", lambda c: c.update(type="act"))
    assert importer(open_checkpoint(path), options(known)) is None


@pytest.mark.parametrize("folder", ["", "processor"])
def test_shards_and_a_folder_for_the_processor_are_read(copied, folder):
    path, known = copied("groot_raw")
    tensors = load_file(path / "model.safetensors")
    names = sorted(tensors)
    halves = names[::2], names[1::2]
    for number, half in enumerate(halves, start=1):
        save_file({name: tensors[name] for name in half}, path / SHARDS.format(number))
    index = {name: SHARDS.format(n) for n, half in enumerate(halves, start=1) for name in half}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (path / "model.safetensors").unlink()
    if folder:
        (path / folder).mkdir()
        for name in ("processor_config.json", "statistics.json", "embodiment_id.json"):
            (path / name).rename(path / folder / name)
    made, whole = run(path, known), load_bundle(imported("groot_raw")).tensors
    assert all(torch.equal(made.weights[name], whole[name]) for name in whole)


def test_the_word_table_is_taken_from_either_twin(copied):
    path, known = copied("groot_raw")
    tensors = load_file(path / "model.safetensors")
    table = tensors["backbone.model.model.language_model.embed_tokens.weight"]
    tensors["backbone.model.lm_head.weight"] = table + 1.0  # never used where both are there
    save_file(tensors, path / "model.safetensors")
    assert torch.equal(run(path, known).weights["language_model.embed_tokens.weight"], table)
    lerobot = load_file(golden("groot").path / "model.safetensors")
    stored = lerobot["_groot_model.backbone.model.lm_head.weight"]
    ours = load_bundle(imported("groot")).tensors["language_model.embed_tokens.weight"]
    assert torch.equal(ours, stored)


def test_an_embodiment_is_chosen_by_its_name(copied):
    path, known = copied("groot")
    own, other = run(path, known), run(path, known, embodiment="libero_sim")
    tensors = load_file(path / "model.safetensors")
    stacked = tensors["_groot_model.action_head.action_decoder.layer1.W"]
    assert torch.equal(own.weights["action_decoder.fc1.weight"], stacked[10].T)
    assert torch.equal(other.weights["action_decoder.fc1.weight"], stacked[2].T)
    assert "new_embodiment" in own.notes[0] and "libero_sim" in other.notes[0]


def test_an_embodiment_that_is_not_there_is_refused_with_those_that_are(copied):
    path, known = copied("groot_raw")
    said = r"processor_config.json has no embodiment 'panda'; .*--embodiment TAG: libero_sim$"
    with pytest.raises(CheckpointError, match=said):
        run(path, known, embodiment="panda")
    path, known = copied("groot")
    pack(path, embodiment_tag="mine")
    with pytest.raises(CheckpointError, match=r"no embodiment 'mine'.*libero_sim, new_embodiment"):
        run(path, known)


def test_of_several_embodiments_one_must_be_named(copied):
    path, known = copied("groot_raw")

    def two(content):
        listed = content["processor_kwargs"]["modality_configs"]
        listed["new_embodiment"] = listed["libero_sim"]

    edit(path / "processor_config.json", two)
    with pytest.raises(CheckpointError, match=r"several embodiments.*libero_sim, new_embodiment"):
        run(path, known)
    with pytest.raises(CheckpointError, match=r"statistics.json has no statistics of action group"):
        run(path, known, embodiment="new_embodiment")


def test_the_generation_before_is_left_to_its_own_family(copied):
    path, known = copied("groot")
    edit(path / "config.json", lambda c: c.update(tokenizer_assets_repo="lerobot/eagle2hg"))
    assert importer(open_checkpoint(path), options(known)) is None


def test_relative_rows_and_an_excluded_joint_become_the_manifests(copied):
    path, known = copied("groot_relative")
    manifest = run(path, known).manifest
    action = manifest.interface.action
    assert action.relative.tolist() == [True] * 6 + [False]
    assert [g.kind for g in action.groups] == ["joint_delta", "joint_position"]
    post = json.loads((path / "policy_postprocessor.json").read_text())["steps"][0]["config"]
    rows = post["raw_stats"]["relative_action"]["single_arm"]["min"]
    gripper = post["raw_stats"]["action"]["gripper"]["q01"]
    assert manifest.normalization.action.low == [[*row, *gripper] for row in rows]


def test_rows_that_were_never_trained_are_not_used(copied):
    path, known = copied("groot_raw")
    made = run(path, known)
    assert made.manifest.interface.horizon == 8 and made.manifest.noise_shape == (9, 12)
    assert "8 of the network's 9 rows were trained and are used" in made.notes


def test_sizes_that_no_tensor_tells_are_asked_for(copied):
    path, known = copied("groot")
    with pytest.raises(CheckpointError, match=r"--sizes FILE"):
        run(path, known, sizes={})


def test_a_weight_too_many_and_one_too_few_are_named(copied):
    path, known = copied("groot")
    file, needed = path / "model.safetensors", "action_head.vlln.bias"
    assert_tensors_are_counted(file, "_groot_model.", needed, lambda: run(path, known))


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"video_horizon": 2}, "video_horizon 2: the policy looks back"),
        ({"state_horizon": 3}, "state_horizon 3: the policy looks back"),
        ({"memory": 1}, "memory"),
    ],
)
def test_what_the_packing_step_asks_beyond_this_is_refused(copied, fields, said):
    path, known = copied("groot")
    pack(path, **fields)
    with pytest.raises(CheckpointError, match=said):
        run(path, known)


def test_poses_of_another_width_are_refused(copied):
    path, known = copied("groot_relative")
    file = path / "policy_postprocessor.json"

    def poses(content):
        ways = content["steps"][0]["config"]["modality_config"]["action"]["action_configs"]
        ways[0].update(type="EEF", format="xyz+rot6d")

    edit(file, poses)
    with pytest.raises(
        CheckpointError, match="'single_arm' of type EEF, whose 6 values are told as 'xyz\\+rot6d'"
    ):
        run(path, known)


def test_switches_that_are_not_followed_are_refused(copied):
    path, known = copied("groot_raw")
    edit(path / "processor_config.json", lambda c: c["processor_kwargs"].update(use_mean_std=True))
    with pytest.raises(CheckpointError, match=r"processor_config.json sets use_mean_std to True"):
        run(path, known)


def test_a_missing_file_is_named(copied):
    path, known = copied("groot_raw")
    (path / "statistics.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no statistics.json.*processor/"):
        run(path, known)


def test_without_a_tokenizer_the_import_says_where_it_is(copied):
    path, known = copied("groot")
    with pytest.raises(CheckpointError, match=r"nvidia/Cosmos-Reason2-2B.*--tokenizer PATH"):
        run(path, known, tokenizer=None)


def test_a_camera_that_the_robot_does_not_have_is_left_out(copied):
    path, known = copied("groot")
    one = robot("groot").model_copy(update={"cameras": {"front": "/front"}})
    made = run(path, known, robot=one)
    assert [slot.name for slot in made.manifest.interface.cameras] == ["front"]
    assert made.cameras.absent == ("observation.images.wrist",)
    assert made.manifest.architecture["grids"] == [[4, 6]]


def test_statistics_of_groups_are_not_replaced_by_flat_ones(copied, tmp_path):
    path, known = copied("groot_relative")
    file = tmp_path / "stats.json"
    file.write_text(json.dumps({"action": {"min": [0.0] * 7, "max": [1.0] * 7}}))
    with pytest.raises(CheckpointError, match=r"postprocessor.json .*--norm-stats FILE cannot"):
        run(path, known, norm_stats=file)


def test_a_configuration_without_a_state_is_one_sentence(copied):
    path, known = copied("groot")
    edit(path / "config.json", lambda c: c["input_features"].pop("observation.state"))
    with pytest.raises(CheckpointError, match=r"JSON files of .*observation.state.*copy"):
        run(path, known)
