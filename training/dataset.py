# SPDX-License-Identifier: Apache-2.0
"""Frames of demonstrations and corrections as arrays ready for training.

One frame is one observation with its action chunk. Arm actions become offsets from the joint
positions of the observation, the finger goal stays absolute; both are then normalized per step of
the chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.reader import DataSet
from training.data.schema import HORIZON
from training.language import GoalName

__all__ = ["HORIZON", "Frames", "Pictures", "Statistics", "load_frames", "sampling_probability"]

ARM = 7
FINGER_CENTER, FINGER_SCALE = 0.02, 0.02  # metres; open 0.04 and closed 0.0 become +1 and -1
COLUMNS = (
    "observation.state", "observation.tip", "chunk", "chunk_valid", "scene.object", "scene.place",
    "scene.object_uv", "scene.place_uv", "goal.family", "goal.object", "goal.destination",
    "disturbed", "weight",
)  # fmt: skip


@dataclass
class Pictures:
    """Pictures of several data sets, left on disk until they are asked for."""

    sets: list[np.ndarray]
    """Each uint8 [frames, 2, 96, 96, 3]."""

    source: np.ndarray
    """int [N], the set of each frame."""

    row: np.ndarray
    """int [N], its place there."""

    def take(self, index: np.ndarray) -> Tensor:
        """Pictures uint8 [n, 2, 96, 96, 3] of these frames."""
        return torch.from_numpy(
            np.stack([self.sets[self.source[i]][self.row[i]] for i in index.tolist()])
        )


@dataclass
class Frames:
    """All frames; the first axis of every member is the frame."""

    pictures: Pictures
    state: Tensor  # float [N, 11], not yet normalized
    chunk: Tensor  # float [N, 16, 8], offsets and finger goals, not yet normalized
    valid: Tensor  # float [N, 16], 0 where the label stream was interrupted
    uv: Tensor  # float [N, 2, 2, 2], object and place in each picture, 0..1
    relative: Tensor  # float [N, 6], object from the tool tip, place from the object, m
    goal: np.ndarray  # int [N], index in `goals`
    goals: list[GoalName]
    weight: np.ndarray  # float [N]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.state)


def load_frames(
    demonstrations: Sequence[Path],
    corrections: Sequence[Path] = (),
    correction_weight: float = 1.0,
) -> Frames:
    """Read the data sets; frames while the arm was being disturbed are left out.

    Args:
        demonstrations: data sets of `training.demonstrations`.
        corrections: data sets of `training.corrections`.
        correction_weight: factor on the weight of corrections.

    Raises:
        QuantVLAError: a data set is missing or damaged.
    """
    sets = [DataSet(path) for path in (*demonstrations, *corrections)]
    parts = [data.columns(COLUMNS) for data in sets]
    for part in parts[len(demonstrations) :]:
        part["weight"] = part["weight"] * correction_weight
    source = np.concatenate([np.full(len(data), i) for i, data in enumerate(sets)])
    row = np.concatenate([np.arange(len(data)) for data in sets])
    columns = {key: np.concatenate([part[key] for part in parts]) for key in COLUMNS}
    keep = ~columns["disturbed"]
    columns = {key: value[keep] for key, value in columns.items()}
    names = np.stack([columns[f"goal.{part}"] for part in ("family", "object", "destination")], 1)
    keys = [GoalName(*name) for name in names.tolist()]
    goals = sorted(set(keys))
    numbers = {name: number for number, name in enumerate(goals)}
    chunk = columns["chunk"].copy()
    chunk[:, :, :ARM] -= columns["observation.state"][:, None, :ARM]
    thing, place, tip = columns["scene.object"], columns["scene.place"], columns["observation.tip"]
    return Frames(
        pictures=Pictures([data.pictures() for data in sets], source[keep], row[keep]),
        state=torch.from_numpy(np.concatenate([columns["observation.state"], tip], axis=1)),
        chunk=torch.from_numpy(chunk),
        valid=torch.from_numpy(columns["chunk_valid"].astype(np.float32)),
        uv=torch.from_numpy(
            np.stack([columns["scene.object_uv"], columns["scene.place_uv"]], axis=1)
        ),
        relative=torch.from_numpy(np.concatenate([thing - tip, place - thing], axis=1)),
        goal=np.array([numbers[key] for key in keys]),
        goals=goals,
        weight=columns["weight"],
    )


def sampling_probability(frames: Frames) -> np.ndarray:
    """Probability [N] of each frame: families get equal shares, frames of one by their weight."""
    names = sorted({goal.family for goal in frames.goals})
    family = np.array([names.index(goal.family) for goal in frames.goals])[frames.goal]
    totals = np.bincount(family, frames.weight.astype(np.float64))
    probability: np.ndarray = frames.weight / totals[family] / len(totals)
    return probability


@dataclass(frozen=True)
class Statistics:
    """Normalization of state [11] and chunk [16, 8]."""

    state_mean: np.ndarray
    state_std: np.ndarray
    action_mean: np.ndarray
    action_std: np.ndarray

    @classmethod
    def of(cls, frames: Frames) -> Statistics:
        """Measure them on valid frames; the finger's are fixed so that open is 1 and closed -1."""
        valid = frames.valid.numpy()[..., None]
        chunk = frames.chunk.numpy()
        total = valid.sum(0)
        mean = (chunk * valid).sum(0) / total
        std = np.sqrt((((chunk - mean) ** 2) * valid).sum(0) / total)
        mean[:, ARM], std[:, ARM] = FINGER_CENTER, FINGER_SCALE
        state = frames.state.numpy()
        return cls(
            state_mean=state.mean(0),
            state_std=state.std(0) + 1e-3,
            action_mean=mean.astype(np.float32),
            action_std=np.maximum(std, 0.005).astype(np.float32),
        )

    def apply(self, frames: Frames) -> None:
        """Normalize state and chunk in place."""
        frames.state.sub_(torch.from_numpy(self.state_mean)).div_(torch.from_numpy(self.state_std))
        frames.chunk.sub_(torch.from_numpy(self.action_mean)).div_(
            torch.from_numpy(self.action_std)
        )
