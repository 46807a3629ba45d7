# SPDX-License-Identifier: Apache-2.0
"""LeRobot's pipelines are read as they stand, and scale values to the golden numbers."""

import json
import shutil

import numpy as np
import pytest
from support.parity import PARITY, TOLERANCE, assert_close, golden

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.pipelines import RelativeActions, Rename, read_pipelines
from quantvla_ros.checkpoints.statistics import ACTION, STATE, normalization, read_norm_stats
from quantvla_ros.errors import CheckpointError
from quantvla_ros.processing.scaling import action_scaling, state_scaling

OWN = {"smolvla_new_line_processor", "pi05_prepare_state_tokenizer_processor_step"}
FLOWS = ("smolvla", "pi05", "pi05_mean_std", "pi05_relative")


def norm_of(path, given=None):
    pipelines = read_pipelines(open_checkpoint(path), OWN)
    state = pipelines.need("normalizer_processor").scaled(STATE, 8, given)
    action = pipelines.need("unnormalizer_processor").scaled(ACTION, 7, given)
    return normalization(state, action, 8)


@pytest.fixture
def copy(tmp_path):
    def make(name="pi05_relative"):
        return shutil.copytree(PARITY / name, tmp_path / name)

    return make


def edit(file, change):
    content = json.loads(file.read_text())
    change(content["steps"])
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("name", FLOWS)
def test_state_and_actions_are_scaled_as_lerobot_does(name):
    known, norm = golden(name), norm_of(PARITY / name)
    state = state_scaling(norm).normalize(known.state)
    assert state.dtype == np.float32
    assert_close(state[None], known["pre.observation.state"], 0.0 if "mean" in name else 1e-6)
    actions = action_scaling(norm).denormalize(known["chunk.normalized"][0].numpy())
    pipelines = read_pipelines(open_checkpoint(PARITY / name), OWN)
    relative = pipelines.find(RelativeActions)
    mask = relative.mask(7) if relative else [False] * 7
    assert mask == ([True] * 6 + [False] if name == "pi05_relative" else [False] * 7)
    actions = actions + known.state[:7] * np.array(mask)
    assert np.abs(actions - known["actions"][0].numpy()).max() < TOLERANCE


def test_rename_maps_come_from_their_step():
    rename = read_pipelines(open_checkpoint(PARITY / "smolvla"), OWN).find(Rename)
    front, wrist = "observation.images.front", "observation.images.wrist"
    assert set(rename.rename_map) == {front, wrist}


def test_all_actions_are_relative_without_names_or_words():
    names = ["a.pos", "Gripper.pos"]
    assert RelativeActions(enabled=True, exclude_joints=["gripper"]).mask(2) == [True, True]
    assert RelativeActions(enabled=True, action_names=names).mask(2) == [True, True]
    both = RelativeActions(enabled=True, exclude_joints=["gripper"], action_names=names)
    assert both.mask(3) == [True, False, True]


def test_the_state_file_is_the_one_that_the_step_names(copy):
    path = copy()
    (path / "policy_preprocessor_step_3_normalizer_processor.safetensors").rename(path / "other")
    with pytest.raises(CheckpointError, match=r"step_3_.*missing.*normalizer_processor"):
        norm_of(path)
    edit(path / "policy_preprocessor.json", lambda s: s[3].update(state_file="other"))
    assert norm_of(path) == norm_of(PARITY / "pi05_relative")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda s: s.append({"registry_name": "blur_processor"}), "'blur_processor' of .*json"),
        (lambda s: s[5]["config"].update(memory_frames=6), "memory_frames"),
        (lambda s: s[3]["config"]["norm_map"].update(STATE="ODD"), "norm_map.STATE"),
        (lambda s: s[3]["config"]["norm_map"].update(VISUAL="MEAN_STD"), "the picture 'obs.* by M"),
        (lambda s: s[3].update(state_file="../x"), "does not lie beside it"),
    ],
)
def test_what_is_not_known_is_refused_with_file_and_name(copy, change, said):
    path = copy()
    edit(path / "policy_preprocessor.json", change)
    with pytest.raises(CheckpointError, match=said):
        norm_of(path)


def test_missing_statistics_are_refused_and_given_ones_taken(copy, tmp_path):
    path = copy("pi05")
    edit(path / "policy_preprocessor.json", lambda s: s[3].pop("state_file"))
    with pytest.raises(CheckpointError, match=r"policy_preprocessor.json.*--norm-stats FILE"):
        norm_of(path)
    known = {k: [0.5] * 8 if k == "q01" else [2.5] * 8 for k in ("mean", "std", "q01", "q99")}
    file = tmp_path / "norm_stats.json"
    file.write_text(json.dumps({"norm_stats": {"state": known}}))
    given = norm_of(path, read_norm_stats(file))
    assert given.state.low == [0.5] * 8 and given.state_mean == [2.5] * 8
    known["q99"] = [float("inf")] * 8
    file.write_text(json.dumps({"norm_stats": {"state": known}}))
    with pytest.raises(CheckpointError, match=r"not finite.*--norm-stats FILE"):
        norm_of(path, read_norm_stats(file))
    file.write_text("{}")
    with pytest.raises(CheckpointError, match=r"norm_stats.json has no statistics"):
        read_norm_stats(file)


def test_old_checkpoints_without_pipelines_are_refused_with_the_way_out(copy):
    path = copy()
    (path / "policy_preprocessor.json").unlink()
    with pytest.raises(CheckpointError, match="migrate_policy_normalization"):
        norm_of(path)


@pytest.mark.parametrize("changes", [{"use_visual_memory": True}, {"n_obs_steps": 2}])
def test_policies_that_remember_are_refused(copy, changes):
    path = copy()
    config = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"config.json sets {next(iter(changes))}"):
        norm_of(path)
