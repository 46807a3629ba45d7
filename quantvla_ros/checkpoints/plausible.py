# SPDX-License-Identifier: Apache-2.0
"""Whether the statistics of a checkpoint's data fit what robot.yaml says its actions are."""

from __future__ import annotations

import numpy as np

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import CheckpointError

FASTEST_MEAN = {"m": 0.5, "rad": 2.0}
"""Mean velocity along one axis over a whole data set, a second. No arm goes on so for an episode,
but the mean of positions may well be larger."""


def refuse_positions(manifest: BundleManifest) -> None:
    """Refuse motions whose mean can only be that of positions.

    Nothing in a checkpoint says whether its numbers are poses of the tip, its steps, velocities of
    joints or their positions, and an arm that took one for the other would be in danger.

    Raises:
        CheckpointError: names the action.
    """
    action, dt = manifest.interface.action, manifest.interface.dt
    means = action.to_si(np.asarray(manifest.normalization.action_mean)).mean(axis=0)
    for given, velocity, mean in zip(action.entries, action.velocity, means, strict=True):
        moves_tip = action.group_of(given).type == "tip"
        if not (velocity or moves_tip):
            continue
        unit = given.si.removesuffix("/s")
        speed = abs(mean) / (1.0 if given.si.endswith("/s") else dt)
        if speed <= FASTEST_MEAN[unit]:
            continue
        way = (
            "if the policy commands poses of the tip, train it with steps of the tip or with joints"
            if moves_tip
            else "if the policy commands positions, take 'velocity' out of the joint's group"
        )
        raise CheckpointError(
            f"action '{given.name}' has a mean of {speed:.2g} {unit}/s in the training data, which "
            f"no arm moves at; correct its unit in robot.yaml, or, {way}"
        )
