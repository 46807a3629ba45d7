# SPDX-License-Identifier: Apache-2.0
"""The golden SmolVLA checkpoint on a made-up robot, by the product's own import."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from support.arm_and_hand import description
from support.parity import golden

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.build import empty_network, load_weights
from quantvla_ros.models.smolvla.importer import import_smolvla
from quantvla_ros.models.smolvla.network import SmolVLA
from quantvla_ros.models.smolvla.processing import smolvla_processing
from quantvla_ros.processing.processing import Processing
from quantvla_ros.robot.interface import CameraSlot
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.robot_file import RobotFile

GOLDEN = golden("smolvla")
SIZES = {"heads": 3, "kv_heads": 1, "head_width": 16, "vision_heads": 2}
"""Of the golden checkpoint, which no tensor tells."""
EMPTY = "empty_camera_0"


def robot() -> RobotFile:
    return RobotFile.model_validate(description())


def options(**given) -> ImportOptions:
    known = {"robot": robot(), "rate": 10.0, "tokenizer": GOLDEN.tokenizer, "sizes": SIZES}
    return ImportOptions(**{**known, **given})


@cache
def imported() -> Imported:
    found = import_smolvla(open_checkpoint(GOLDEN.path), options())
    assert found is not None
    return found


def with_empty_camera() -> Imported:
    """The same with the checkpoint's empty camera as a picture that no robot has."""
    bundle = imported()
    interface = bundle.manifest.interface
    side = interface.cameras[0].height
    slots = (*interface.cameras, CameraSlot(EMPTY, side, side, optional=True))
    manifest = bundle.manifest.model_copy(
        update={
            "interface": replace(interface, cameras=slots),
            "architecture": {**bundle.manifest.architecture, "cameras": 3},
        }
    )
    return replace(bundle, manifest=manifest)


def network(bundle: Imported) -> SmolVLA:
    out = empty_network(bundle.manifest)
    load_weights(out, dict(bundle.weights))
    assert isinstance(out, SmolVLA)
    return out


def processing(bundle: Imported) -> Processing:
    spec = bundle.manifest.tokenizer
    tokenizer = Tokenizer(bundle.tokenizer_json, spec.max_length, spec.pad, spec.room)
    return smolvla_processing(bundle.manifest, tokenizer)


def observation() -> Observation:
    """What the golden run observed."""
    return Observation(GOLDEN.pictures, GOLDEN.state, GOLDEN.task, stamp=0.0)


def inputs(bundle: Imported) -> dict[str, torch.Tensor]:
    """The network's inputs with a batch axis of one."""
    made = processing(bundle).inputs(observation())
    return {name: torch.from_numpy(np.asarray(value))[None] for name, value in made.items()}
