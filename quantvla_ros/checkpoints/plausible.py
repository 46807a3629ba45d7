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
    means = np.mean(manifest.normalization.action_mean, axis=0).tolist()
    for given, value in zip(action.values, means, strict=True):
        group = action.group_of(given) if given is not None else None
        if given is None or group is None or group.kind not in ("joint_velocity", "ee_delta"):
            continue
        moves_tip, mean = group.type == "tip", given.scale * value + given.offset
        unit = given.si.removesuffix("/s")
        speed = abs(mean) / (1.0 if given.si.endswith("/s") else dt)
        if speed <= FASTEST_MEAN[unit]:
            continue
        way = (
            "if the policy commands poses of the tip, list 'tip' among the actions"
            if moves_tip
            else "if the policy commands positions, take 'velocity' out of the joint's group"
        )
        raise CheckpointError(
            f"action '{given.name}' has a mean of {speed:.2g} {unit}/s in the training data, which "
            f"no arm moves at; correct its unit in robot.yaml, or, {way}"
        )
