# SPDX-License-Identifier: Apache-2.0
"""Every network that can be trained reads in training what it reads on the robot, and learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.made_up_frames import write_data_set

from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.families import find_family
from quantvla_ros.robot.observation import Observation, state_vector
from training.architectures import ARCHITECTURES, find_architecture
from training.dataset import Statistics, load_frames
from training.export import interface, save_policy
from training.language import MAX_LENGTH, tokenizer_json
from training.trainer import Trainer

SENTENCE = "put the butter in the basket"


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("demos"), [20, 20])


def observed() -> Observation:
    from simulation.urdf import panda_urdf

    rng, space = np.random.default_rng(3), interface(panda_urdf())
    images = {
        camera.name: rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        for camera in space.cameras
    }
    joints = np.array([0.1, 0.2, -0.1, -2.0, 0.1, 2.0, 0.7, 0.02], np.float32)
    return Observation(images=images, joints=joints, instruction=SENTENCE, stamp=0.0)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_training_reads_what_the_robot_does(family, tmp_path):
    architecture, seen = find_architecture(family), observed()
    torch.manual_seed(0)
    config = architecture.config(False)
    network = architecture.build(config).eval()
    # So that one value of the state lies below the range that the training saw.
    state = np.linspace(-1.0, 1.0, 11).astype(np.float32)
    statistics = Statistics(state, np.ones(11, np.float32), np.zeros((16, 8)), np.ones((16, 8)))
    bundle = load_bundle(
        save_policy(
            tmp_path / "float", architecture, config, network.state_dict(), statistics, False
        )
    )
    processing = find_family(family).processing(bundle.manifest, bundle.tokenizer)
    inputs = {name: torch.as_tensor(x)[None] for name, x in processing.inputs(seen).items()}
    values = state_vector(bundle.manifest.interface, seen.joints)
    tokens, mask = Tokenizer(tokenizer_json(), MAX_LENGTH).encode(SENTENCE)
    batch = {
        "images": torch.from_numpy(np.stack([seen.images["front"], seen.images["wrist"]]))[None],
        "state": torch.from_numpy(values - state)[None],
        "tokens": torch.from_numpy(tokens)[None],
        "token_mask": torch.from_numpy(mask)[None],
    }
    assert (batch["state"] < -1).any()
    noise, t = torch.randn(1, 16, 8), torch.tensor([0.7])
    with torch.no_grad():
        constants = network.time_constants(t)
        contexts = network.encode(inputs), architecture.read(network, batch).context
        robot, training = (network.step(noise, constants, context) for context in contexts)
    assert torch.allclose(robot, training, atol=1e-5)
    assert robot.std() > 1e-3


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_it_learns_by_heart(family, demos):
    architecture = find_architecture(family)
    frames = load_frames([demos])
    Statistics.of(frames, architecture.state == "range").apply(frames)
    trainer = Trainer(architecture, frames, batch=8, seed=0)
    start = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    losses = [float(trainer.advance(0.0)["flow"]) for _ in range(6)]
    assert np.isfinite(losses).all()
    unchanged = {
        name
        for name, value in trainer.network.state_dict().items()
        if torch.equal(value, start[name])
    }
    layers = architecture.config(False).layers
    assert {n for n in unchanged if architecture.reaches_actions(n, layers)} <= {"unused"}
    assert unchanged


def test_another_network_is_refused_by_name():
    with pytest.raises(QuantVLAError, match="take one of mini_pi05, smolvla, pi05"):
        find_architecture("act_policy")
