# SPDX-License-Identifier: Apache-2.0
"""A training run becomes a bundle: its averaged weights, without the heads of the training."""

from __future__ import annotations

import re
from unittest import mock

import numpy as np
import pytest
import torch
from support.made_up_frames import write_data_set
from support.tiny_run import start, tiny_config

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.processing.pictures import unlike
from quantvla_ros.processing.processing import blank_observation
from training import camera_statistics
from training.dataset import Statistics
from training.export import main
from training.starting_point import CHECKPOINT, STATISTICS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    demos, out = write_data_set(folder / "demos", [6, 6]), folder / "run"
    assert start(demos, out, 3).wait() == 0
    return out


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "policy"
    with mock.patch.object(camera_statistics, "SCENES", 1):
        main(run, path)
    return path


def test_weights_are_the_averaged_ones_and_no_others(run, bundle):
    state = torch.load(run / CHECKPOINT, weights_only=False)
    tensors = load_bundle(bundle).tensors
    assert set(tensors) == set(MiniPi05(tiny_config()).state_dict())
    for name, tensor in tensors.items():
        assert torch.equal(tensor, state["average"][name].half().float()), name
    assert any(not torch.equal(t, state["network"][n].half().float()) for n, t in tensors.items())


def test_normalization_is_that_of_the_run(run, bundle):
    found = load_bundle(bundle).manifest.normalization
    for name, values in vars(Statistics.load(run / STATISTICS)).items():
        assert np.array_equal(np.array(getattr(found, name), np.float32), values), name


def test_bundle_is_a_policy(bundle):
    policy = load_policy(bundle)
    interface = policy.manifest.interface
    chunk = policy.infer(blank_observation(interface), draw_noise(policy.manifest, 0, 0))
    assert chunk.actions.shape == (interface.horizon, len(interface.action.names)) == (16, 8)
    assert np.isfinite(chunk.actions).all()


def test_bundle_says_what_the_cameras_of_the_robot_show(bundle):
    known = load_bundle(bundle).manifest.calibration
    assert set(known.cameras) == {"front", "wrist"} and known.instructions == []
    pictures = camera_statistics.expert_pictures()
    for name, statistics in known.cameras.items():
        assert all(unlike(statistics, picture) == "" for picture in pictures[name])


def test_what_is_there_is_replaced_only_by_force(run, tmp_path, refused):
    path = tmp_path / "policy"
    path.mkdir()
    (path / "mine").touch()
    sentence = r"export: output directory .* exists; .* or --force to replace it whole"
    assert re.fullmatch(sentence, refused(main, run, path))
    assert [file.name for file in path.iterdir()] == ["mine"]
    main(run, path, force=True)
    assert not (path / "mine").exists()
    assert load_bundle(path).manifest.architecture == tiny_config().model_dump(mode="json")


def test_a_directory_that_is_no_run_is_refused(tmp_path, refused):
    sentence = r"export: There is no training run with a checkpoint in .*; train first\."
    assert re.fullmatch(sentence, refused(main, tmp_path, tmp_path / "policy"))
    assert not (tmp_path / "policy").exists()
