# SPDX-License-Identifier: Apache-2.0
"""The study writes a checkpoint that the product imports, here with small tensors."""

from dataclasses import replace

import numpy as np
import torch
from support.smolvla import GOLDEN, SIZES

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.smolvla.importer import import_smolvla
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.robot_file import PRESETS, read_robot
from studies.full_size.observations import made_up_observations
from studies.full_size.random_checkpoint import RandomTensors, write_checkpoint
from studies.full_size.smolvla import PUBLISHED, ROBOT


def small():
    sources = open_checkpoint(GOLDEN.path).sources
    return {name: source.meta() for name, source in sources.items()}


def test_it_is_imported_for_an_arm_with_two_cameras(tmp_path):
    path = tmp_path / "checkpoint"
    written = write_checkpoint(path, replace(PUBLISHED, tensors=small))
    assert written == (path / "model.safetensors").stat().st_size
    robot = read_robot(ROBOT, shared_file(PRESETS))
    options = ImportOptions(robot, rate=30.0, sizes={**SIZES, "image_size": 128, "horizon": 8})
    made = import_smolvla(open_checkpoint(path), options)
    assert made is not None
    made.weights.check(empty_network(made.manifest).state_dict())
    assert [slot.name for slot in made.manifest.interface.cameras] == ["front", "wrist"]
    assert len(made.manifest.interface.state.names) == 6
    first, second = made_up_observations(made.manifest, 2)
    ends = np.array([joint.ends for joint in robot.joints.values()])
    assert ((first.joints >= ends[:, 0]) & (first.joints <= ends[:, 1])).all()
    assert (first.images["front"] != second.images["front"]).any()


def test_random_tensors_are_alike_whenever_they_are_made():
    tensors = RandomTensors(small())
    name = "model.vlm_with_expert.lm_expert.layers.0.mlp.up_proj.weight"
    assert torch.equal(tensors[name], tensors[name])
    assert 0.5 < float(tensors[name].std() * tensors[name].shape[1] ** 0.5) < 2.0
    gain = tensors["model.vlm_with_expert.lm_expert.norm.weight"]
    assert abs(float(gain.mean()) - 1.0) < 0.1
