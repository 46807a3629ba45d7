# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the reader's own, imported and, where LeRobot is installed, compared with it.

    export QUANTVLA_CHECKPOINT=DIR QUANTVLA_ROBOT=so101.yaml
    pytest -s test/checkpoints/test_real_checkpoint.py

QUANTVLA_IMPORT holds further options of the import as JSON, such as
``{"tokenizer": "tokenizer/", "rate": 30}``. QUANTVLA_REFERENCE names an .npz file with a chunk that
another project computed (see `support.reference_chunk`). The comparison needs a state and actions
whose units in robot.yaml are the policy's own, as they always are, and runs both in float32 on the
CPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from support.reference_chunk import largest_difference, own_values

from calib_tools.import_.command import ImportSettings, import_checkpoint, the_contract
from calib_tools.import_.table import show_contract
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.checkpoints.contract import example_observation
from quantvla_ros.processing.noise import draw_noise

CHECKPOINT = os.environ.get("QUANTVLA_CHECKPOINT", "")
REFERENCE = os.environ.get("QUANTVLA_REFERENCE", "")
SAID = "pick up the red cube"
MOST = 2e-3
"""Largest difference in standard deviations of an action; of the tiny golden it is 5e-7."""

pytestmark = pytest.mark.skipif(not CHECKPOINT, reason="QUANTVLA_CHECKPOINT names no checkpoint")


def paths(options):
    files = ("norm_stats", "tokenizer", "sizes", "base")
    return {k: Path(v) if k in files else v for k, v in options.items()}


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    out = tmp_path_factory.mktemp("real") / "float"
    options = paths(json.loads(os.environ.get("QUANTVLA_IMPORT", "{}")))
    settings = ImportSettings(os.environ.get("QUANTVLA_ROBOT", "so101"), **options)
    show_contract(the_contract(import_checkpoint(Path(CHECKPOINT), out, settings)))
    return load_policy(out)


def seen(policy):
    """The mean state of the training, and pictures of noise, which no symmetry hides."""
    still = example_observation(policy.manifest, SAID)
    rng = np.random.default_rng(0)
    pictures = {
        camera.name: rng.integers(0, 256, (480, 640, 3), np.uint8)  # of a robot's camera
        for camera in policy.manifest.interface.cameras
    }
    return type(still)(pictures, still.joints, still.instruction, still.stamp)


def test_it_runs_and_stays_where_it_was_trained(policy):
    noise = draw_noise(policy.manifest, 0, 0)
    actions = policy.infer(seen(policy), noise).actions
    assert np.isfinite(actions).all()
    norm, interface = policy.manifest.normalization, policy.manifest.interface
    own = interface.values(actions, seen(policy).joints)
    away = np.abs(own - np.array(norm.action_mean)) / np.array(norm.action_std)
    print(f"largest distance from the training's mean: {away.max():.1f} standard deviations")
    assert np.median(away) < 10.0


def test_lerobot_gives_the_same_chunk(policy):
    if importlib.util.find_spec("lerobot") is None:
        pytest.skip("LeRobot is not installed: only the import was tried")
    theirs = lerobots_chunk(policy)
    observation = seen(policy)
    noise = draw_noise(policy.manifest, 0, 0)
    ours = own_values(policy, policy.infer(observation, noise).actions, observation)
    rows = min(len(ours), len(theirs))
    scale = np.array(policy.manifest.normalization.action_std)[:rows]
    difference = (np.abs(ours[:rows] - theirs[:rows]) / scale).max()
    print(f"largest difference: {difference:.2e} standard deviations of an action")
    assert difference < MOST


@pytest.mark.skipif(not REFERENCE, reason="QUANTVLA_REFERENCE names no file")
def test_another_project_gives_the_same_chunk(policy):
    difference = largest_difference(policy, Path(REFERENCE))
    print(f"largest difference: {difference:.2e} standard deviations of an action")
    assert difference < MOST


def lerobots_chunk(policy):
    """The same observation and noise through LeRobot's own pipelines and network: [rows, n]."""
    configs = importlib.import_module("lerobot.configs.policies")
    factory = importlib.import_module("lerobot.policies.factory")
    config = configs.PreTrainedConfig.from_pretrained(CHECKPOINT)
    config.device, config.use_bf16 = "cpu", False  # before GR00T N1.5 is built
    network = factory.get_policy_class(config.type).from_pretrained(CHECKPOINT, config=config)
    network = network.float().eval()
    network.config.use_bf16 = False  # GR00T's autocast
    before, after = factory.make_pre_post_processors(config, pretrained_path=CHECKPOINT)
    manifest = policy.manifest
    contract, observation = manifest.contract, seen(policy)
    batch = {"observation.state": manifest.interface.state.from_si(observation.joints)}
    batch["observation.state"] = torch.tensor(batch["observation.state"]).float()[None]
    for line in contract.cameras:
        picture = torch.tensor(observation.images[line.slot]).permute(2, 0, 1)[None]
        batch[line.key] = picture.float() / 255
    batch["task"] = [observation.instruction]
    noise = torch.tensor(draw_noise(manifest, 0, 0))[None]
    # They draw it themselves: by `randn`, or by `normal`.
    drawn = dict.fromkeys(("randn", "normal"), lambda *_, **__: noise.clone())
    with torch.inference_mode(), mock.patch.multiple(torch, **drawn):
        chunk = network.predict_action_chunk(before(batch))
        whole = after(chunk.clone())
        if whole.dim() == 2:  # GR00T N1.5's last step takes a row at a time
            whole = torch.stack([after(row) for row in chunk.transpose(0, 1)], dim=1)
        return whole[0].float().numpy()
