# SPDX-License-Identifier: Apache-2.0
"""An arm of six joints whose tip reaches any pose nearby, as a URDF and as scipy computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

AXES = ("0 0 1", "0 1 0", "0 1 0", "0 0 1", "0 1 0", "0 0 1")
LENGTH = 0.2


def urdf(joints: Sequence[str]) -> str:
    """Links l0 to l6, each at the end of the one before; fewer for fewer joints."""
    links = "".join(f'<link name="l{i}"/>' for i in range(len(joints) + 1))
    moving = "".join(
        f'<joint name="{name}" type="revolute"><parent link="l{i}"/><child link="l{i + 1}"/>'
        f'<origin xyz="0 0 {LENGTH}"/><axis xyz="{axis}"/></joint>'
        for i, (name, axis) in enumerate(zip(joints, AXES, strict=False))
    )
    return f'<robot name="arm">{links}{moving}</robot>'


def tip(positions: Sequence[float], origin: np.ndarray | None = None) -> np.ndarray:
    """Where the last link is in the first one's frame, [4, 4]; `origin` [4, 4]: a frame on it."""
    found = np.eye(4)
    for axis, angle in zip(AXES, positions, strict=False):
        step = np.eye(4)
        step[:3, :3] = Rotation.from_rotvec(np.array(axis.split(), float) * angle).as_matrix()
        step[2, 3] = LENGTH
        found = found @ step
    return found if origin is None else found @ origin
