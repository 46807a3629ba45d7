# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint says of how its policy was trained, in whichever of the two layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantvla_ros.checkpoints.statistics import Scaled
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.groups import Counted


@dataclass(frozen=True)
class Trained:
    """All that an import needs beside the weights.

    Attributes:
        prefix: of the tensors' names.
        settings: of the network, by the names of NVIDIA's config.json.
        embodiment: number of the chosen one.
        tag: its name.
        cameras: names in the network's order, without ``observation.images.``.
        sizes: height and width of the pictures it was trained on, by camera, where it is known.
        pictures: of their way to the trained size, by the names of processor_config.json.
        formalize: whether instructions lose punctuation.
        state: normalization of the state.
        action: of a chunk's actions, rows as far as they were trained.
        counted: which actions are counted from the state.
        two_sided: actions that only say which way a gripper goes.
        horizon: rows of a chunk that were trained.
        steps: of the flow.
        backbone: name of the model whose tokenizer it is.
        rename: the checkpoint's new name of a picture by the robot's in training.
        notes: what a user should know, a sentence each.
    """

    prefix: str
    settings: Mapping[str, Any]
    embodiment: int
    tag: str
    cameras: Sequence[str]
    sizes: Mapping[str, tuple[int, int]]
    pictures: Mapping[str, Any]
    formalize: bool
    state: Scaled
    action: Scaled
    counted: Counted
    two_sided: tuple[int, ...]
    horizon: int
    steps: int
    backbone: str
    rename: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def choose(
    where: str, tags: Mapping[str, int], asked: str | None, own: str | None
) -> tuple[str, int]:
    """The embodiment that was asked for, or the checkpoint's own, with its number.

    Args:
        where: file that lists them.
        tags: numbers by name.
        asked: by the user.
        own: that the checkpoint names; None where it names none.

    Raises:
        CheckpointError: it is not there, or nothing says which.
    """
    tag = asked or own or (next(iter(tags)) if len(tags) == 1 else None)
    if tag is None or tag not in tags:
        problem = f"has no embodiment '{tag}'" if tag else "holds several embodiments"
        raise CheckpointError(
            f"{where} {problem}; choose one with --embodiment TAG: {', '.join(sorted(tags))}"
        )
    return tag, tags[tag]


def refused_statistics(where: str) -> CheckpointError:
    """That a user's flat statistics cannot stand for those of groups."""
    return CheckpointError(
        f"{where} has statistics of groups of its own, which --norm-stats FILE cannot replace; "
        "leave that option out, or train the policy on the data that the file is of"
    )
