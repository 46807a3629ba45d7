# SPDX-License-Identifier: Apache-2.0
"""A small valid bundle for tests; import it as `bundle.example_bundle`."""

from __future__ import annotations

from support.spaces import DELTA_ARM, GRIPPER, action_space, state_space

from quantvla_ros.bundle.schema import (
    BundleManifest,
    Normalization,
    TokenizerSpec,
    float_manifest,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.interface import CameraSlot, Interface

JOINTS = ["panda_joint1", "panda_finger_joint1"]
HORIZON = 4
GROUPS = (DELTA_ARM, "rad", JOINTS[:1]), (GRIPPER, "m", JOINTS[1:])
KINEMATICS = Kinematics(
    base="base",
    tip="tip",
    joints=(
        KinematicJoint("panda_joint1", "revolute", (0, 0, 0.5), (0, 0, 0), (0, 0, 1)),
        KinematicJoint(None, "fixed", (0.3, 0, 0), (0, 0, 0), (1, 0, 0)),
    ),
)


def example_interface(kinematics=KINEMATICS):
    return Interface(
        cameras=(CameraSlot("front", height=6, width=8),),
        state=state_space(*GROUPS, kinematics=kinematics),
        action=action_space(*GROUPS),
        dt=0.1,
        horizon=HORIZON,
    )


def example_manifest(**changes):
    size = len(JOINTS) + 3
    architecture = {"width": 256, "stem_channels": [48, 96]}
    values = float_manifest(
        "mini_pi05",
        architecture,
        example_interface(),
        Normalization(
            state_mean=[0.0] * size,
            state_std=[1.0] * size,
            action_mean=[[0.0, 1e-05]] * HORIZON,
            action_std=[[1.0, 0.5]] * HORIZON,
        ),
        denoise_steps=5,
        tokenizer=TokenizerSpec(max_length=6),
    )
    return BundleManifest(**{**dict(values), **changes})


def example_tokenizer():
    return build_word_tokenizer(["put", "the", "milk", "in", "basket"])


def write_example(path, tensors=None, force=False, **changes):
    import torch

    tensors = {"layer.weight": torch.ones(2, 3)} if tensors is None else tensors
    return save_bundle(path, example_manifest(**changes), tensors, example_tokenizer(), force)
