# SPDX-License-Identifier: Apache-2.0
"""What the node's parts are told of a robot's joints, without a bundle and without a URDF."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from support.spaces import ARM, state_space

from quantvla_ros.control.observed import ObservedJoints
from quantvla_ros.serving.trained_state import TrainedState


def trained_state(
    names, mean=0.0, std=1.0, continuous=(), actions=None, unit="rad"
) -> TrainedState:
    """A policy that was trained around `mean`, of a robot with these continuous joints."""
    ones = np.ones(len(names))
    interface = SimpleNamespace(
        state=state_space((ARM, unit, names)),
        action=SimpleNamespace(names=list(actions or names)),
    )
    norm = SimpleNamespace(state_mean=mean * ones, state_std=std * ones)
    manifest = SimpleNamespace(interface=interface, normalization=norm)
    return TrainedState(manifest, np.array([name in continuous for name in names]))


def observed_joints(names, velocity=2.0, continuous=()) -> ObservedJoints:
    return ObservedJoints(
        tuple(names),
        velocity * np.ones(len(names)),
        np.array([name in continuous for name in names]),
    )
