# SPDX-License-Identifier: Apache-2.0
"""A chunk that another project computed, with all that went into it, in an .npz file.

Keys: ``image.<the checkpoint's name>`` uint8 [height, width, 3] in RGB, one a picture that the
robot has; ``joints`` [states] in SI, in the order of the imported policy; ``task``; ``noise``
[rows, width]; ``actions`` [rows, values] in the policy's own units.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.policy import Policy
from quantvla_ros.robot.observation import Observation


def largest_difference(policy: Policy, file: Path) -> float:
    """Largest difference of both chunks, in standard deviations of an action."""
    manifest = policy.manifest
    lines = {} if manifest.contract is None else {c.key: c.slot for c in manifest.contract.cameras}
    with np.load(file) as given:
        pictures = {
            lines.get(key.removeprefix("image."), key.removeprefix("image.")): given[key]
            for key in given.files
            if key.startswith("image.")
        }
        seen = Observation(pictures, given["joints"].astype(np.float32), str(given["task"]), 0.0)
        noise, theirs = given["noise"].astype(np.float32), given["actions"]
    ours = own_values(policy, policy.infer(seen, noise).actions, seen)
    rows = min(len(ours), len(theirs))
    scale = np.array(manifest.normalization.action_std)[:rows]
    return float((np.abs(ours[:rows] - theirs[:rows]) / scale).max())


def own_values(policy: Policy, actions: NDArray[np.float64], seen: Observation) -> NDArray:
    """A chunk in the policy's units; relative actions with the state that they are counted from."""
    interface = policy.manifest.interface
    relative = interface.action.relative
    plain = interface.values(actions, seen.joints)
    return np.where(relative, interface.action.from_si(actions), plain) if relative.any() else plain
