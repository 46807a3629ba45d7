# SPDX-License-Identifier: Apache-2.0
"""The policy drives and the expert corrects: who may drive, and what is written."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.made_up_frames import write_data_set
from support.tiny_policy import save_tiny_bundle
from support.tiny_run import TINY, tiny_config

from quantvla_ros.bundle.storage import TOKENIZER, WEIGHTS, bundle_hash, load_bundle, save_bundle
from quantvla_ros.models.mini_pi05.network import MiniPi05
from training import corrections, recording
from training.corrections import main
from training.data.reader import DataSet
from training.dataset import Statistics, load_frames
from training.export import save_policy


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("demos"), [6])


def driver(path, demos, seed=0):
    """A policy of random weights that moves the arm a little."""
    torch.manual_seed(seed)
    network = MiniPi05(tiny_config())
    statistics = Statistics.of(load_frames([demos]))
    statistics.action_mean[:] = 0.0
    statistics.action_std[:] = 0.005
    return save_policy(path, TINY, network.config, network.state_dict(), statistics, force=False)


@pytest.fixture(scope="module")
def bundle(demos, tmp_path_factory):
    return driver(tmp_path_factory.mktemp("bundles") / "driver", demos)


@pytest.fixture
def short(monkeypatch):
    """Short episodes, played in this very process."""
    monkeypatch.setattr(corrections, "MAX_EPISODE_S", 1.1)
    monkeypatch.setattr(recording, "run_all", lambda work, todo, *_: [work(job) for job in todo])


def correct(bundle, out, seeds="5:7"):
    main(bundle, out, seeds, tasks="pick_place", processes=1)


def changed(bundle, path, **interface):
    """The bundle with another interface to the robot."""
    whole = load_bundle(bundle)
    other = replace(whole.manifest.interface, **interface)
    manifest = whole.manifest.model_copy(update={"interface": other})
    return save_bundle(path, manifest, whole.tensors, (bundle / TOKENIZER).read_text())


def test_visited_states_are_labelled_by_the_expert(bundle, demos, short, tmp_path):
    out = tmp_path / "corrections"
    correct(bundle, out)
    data = DataSet(out)
    assert data.info["fps"] == corrections.FPS
    columns = data.columns(["seed", "chunk", "chunk_valid", "weight", "action", "disturbed"])
    assert columns["seed"].tolist() == [5, 5, 5, 6, 6, 6]  # at 0, 0.5 and 1 s
    assert columns["chunk_valid"].all() and not columns["disturbed"].any()
    assert set(columns["weight"]) == {1.0}
    assert np.array_equal(columns["chunk"][:, 0], columns["action"])
    # The expert goes for the object, which a policy of random weights does not.
    towards = np.abs(columns["chunk"][:, -1, :7] - columns["chunk"][:, 0, :7]).max(1)
    assert towards.min() > 0.05
    assert json.loads((out / "driver.json").read_text()) == {"bundle": bundle_hash(bundle)}
    both = load_frames([demos], [out], correction_weight=3.0)
    assert len(both) == 6 + 6
    assert set(both.weight[6:]) == {3.0}


def test_the_same_command_adds_nothing_and_more_seeds_add_some(
    bundle, short, tmp_path, monkeypatch
):
    monkeypatch.setattr(corrections, "EPISODES_A_PART", 1)
    correct(bundle, tmp_path, "5:7")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    correct(bundle, tmp_path, "5:7")
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    correct(bundle, tmp_path, "5:8")
    seeds = DataSet(tmp_path).columns(["seed"])["seed"]
    assert list(dict.fromkeys(seeds.tolist())) == [5, 6, 7]


def test_another_policy_is_refused(bundle, demos, short, tmp_path, refused):
    out, other = tmp_path / "corrections", driver(tmp_path / "other", demos, seed=1)
    correct(bundle, out)
    said = refused(correct, other, out)
    assert re.fullmatch(
        r"corrections: The corrections in .* another policy than .* directory\.", said
    )
    assert len(DataSet(out).episodes) == 2


def another_robot(bundle, path):
    return save_tiny_bundle(path)


def another_camera(bundle, path):
    cameras = load_bundle(bundle).manifest.interface.cameras
    return changed(bundle, path, cameras=(cameras[0], replace(cameras[1], name="top")))


def other_pictures(bundle, path):
    cameras = load_bundle(bundle).manifest.interface.cameras
    small = tuple(replace(camera, height=64, width=64) for camera in cameras)
    return changed(bundle, path, cameras=small)


def damaged(bundle, path):
    whole = load_bundle(bundle)
    text = (bundle / TOKENIZER).read_text()
    save_bundle(path, whole.manifest, whole.tensors, text)
    (path / WEIGHTS).write_bytes((path / WEIGHTS).read_bytes()[:-1])
    return path


def missing(bundle, path):
    return path


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (another_robot, "joint 'shoulder', which is unknown there: .* made for it"),
        (another_camera, "wants a camera 'top' and the simulated robot has .* made for it"),
        (other_pictures, "wants pictures of 64x64 and a data set holds 96x96; give .* here"),
        (damaged, "is not the file that the bundle was written with .* again"),
        (missing, ".*"),
    ],
)
def test_a_bundle_that_cannot_drive_is_refused_before_anything_is_noted(
    bundle, tmp_path, refused, made, sentence
):
    out = tmp_path / "corrections"
    other = made(bundle, tmp_path / "other")
    assert re.fullmatch(rf"corrections: .*{sentence}\.?", refused(correct, other, out))
    assert not out.exists()
