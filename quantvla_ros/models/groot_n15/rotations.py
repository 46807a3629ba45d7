# SPDX-License-Identifier: Apache-2.0
"""Groups that are rotations, as a GR00T N1.5 policy was told them.

metadata.json says how the data tells them. The data config may tell them to the policy otherwise
(`target_rotations` of its StateActionTransform), which no file of the checkpoint says. Source:
Isaac-GR00T n1.5, gr00t/data/transform/state_action.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantvla_ros.errors import CheckpointError

MATRIX = "rotation_6d"
"""Two rows of a matrix; whether they are normalized or not is the same, by this range:"""
_RANGE = {"min": [-1.0] * 6, "max": [1.0] * 6, "mean": [0.0] * 6, "std": [0.5] * 6}


def with_rotations(
    where: str,
    metadata: Mapping[str, Any],
    keys: Mapping[str, Sequence[str]],
    target: Mapping[str, str] | None,
) -> Mapping[str, Any]:
    """Statistics of an embodiment's groups, those of rotations as the policy was told them.

    Args:
        where: metadata.json, for sentences.
        metadata: of the embodiment.
        keys: names of the groups of "state" and "action" that are used.
        target: `target_rotations` of the data config, by names such as ``state.eef_rotation``;
            None: the user does not say.

    Raises:
        CheckpointError: nothing says how a group was told, or it is not carried here.
    """
    found = {kind: dict(groups) for kind, groups in metadata["statistics"].items()}
    for kind in ("state", "action"):
        for name in keys[kind]:
            own = metadata["modalities"][kind][name].get("rotation_type")
            if not own:
                continue
            if target is None:
                raise CheckpointError(
                    f"{where} has group '{name}', a rotation told as {own}, and does not say "
                    "whether the policy was told it so; give target_rotations of its data config "
                    "in --sizes FILE, {} where it has none"
                )
            told = target.get(f"{kind}.{name}", own)
            if told != own and (kind, told) != ("state", MATRIX):
                raise CheckpointError(
                    f"{where} has {kind} group '{name}', a rotation that the policy was told as "
                    f"{told} and the data as {own}; only a state's {MATRIX} is carried: train the "
                    "policy with the data's own rotations"
                )
            if told != own:
                found[kind][name] = _RANGE
    return found
