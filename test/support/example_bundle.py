# SPDX-License-Identifier: Apache-2.0
"""A small valid bundle for tests; import it as `bundle.example_bundle`."""

from __future__ import annotations

from quantvla_ros.bundle.schema import (
    ActionSpec,
    BundleManifest,
    CameraSpec,
    Interface,
    KinematicJoint,
    Kinematics,
    NoiseSpec,
    Normalization,
    StateSpec,
    TokenizerSpec,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer

JOINTS = ["panda_joint1", "panda_finger_joint1"]
HORIZON = 4
KINEMATICS = Kinematics(
    base="base",
    tip="tip",
    joints=[
        KinematicJoint(
            name="panda_joint1", type="revolute", xyz=[0, 0, 0.5], rpy=[0, 0, 0], axis=[0, 0, 1]
        ),
        KinematicJoint(name=None, type="fixed", xyz=[0.3, 0, 0], rpy=[0, 0, 0], axis=[1, 0, 0]),
    ],
)


def example_interface(kinematics=KINEMATICS):
    return Interface(
        cameras=[CameraSpec(name="front", encoding="rgb8", height=6, width=8)],
        state=StateSpec(names=JOINTS, units=["rad", "m"], kinematics=kinematics),
        action=ActionSpec(
            names=JOINTS, units=["rad", "m"], kind="joint_delta", relative=[True, False]
        ),
        dt=0.1,
        horizon=HORIZON,
    )


def example_manifest(**changes):
    size = len(JOINTS) + 3
    values = {
        "schema_version": 1,
        "family": "pi05",
        "architecture": {"width": 256, "stem_channels": [48, 96]},
        "interface": example_interface(),
        "normalization": Normalization(
            state_mean=[0.0] * size,
            state_std=[1.0] * size,
            action_mean=[[0.0, 1e-05]] * HORIZON,
            action_std=[[1.0, 0.5]] * HORIZON,
        ),
        "noise": NoiseSpec(distribution="normal", scale=1.0),
        "denoise_steps": 5,
        "tokenizer": TokenizerSpec(max_length=6),
        "quantization": None,
        "gate": None,
        "files": {},
    }
    return BundleManifest(**{**values, **changes})


def example_tokenizer():
    return build_word_tokenizer(["put", "the", "milk", "in", "basket"])


def write_example(path, tensors=None, force=False, **changes):
    import torch

    tensors = {"layer.weight": torch.ones(2, 3)} if tensors is None else tensors
    return save_bundle(path, example_manifest(**changes), tensors, example_tokenizer(), force)
