# SPDX-License-Identifier: Apache-2.0
"""Frames of demonstrations and corrections as arrays ready for training.

One frame is one observation with its action chunk. Arm actions become offsets from the joint
positions of the observation, the finger goal stays absolute; both are then normalized per step of
the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from training.data.reader import DataSet, read_part
from training.data.schema import HORIZON
from training.language import GoalName, all_goals

__all__ = ["HORIZON", "Frames", "Statistics", "load_frames", "part_frames", "sampling_probability"]

ARM = 7
FINGER_CENTER, FINGER_SCALE = 0.02, 0.02  # metres; open 0.04 and closed 0.0 become +1 and -1
COLUMNS = (
    "observation.state", "observation.tip", "chunk", "chunk_valid", "scene.object", "scene.place",
    "scene.object_uv", "scene.place_uv", "goal.family", "goal.object", "goal.destination",
    "disturbed", "weight",
)  # fmt: skip


class Pictures(Protocol):
    """Pictures of all frames."""

    def take(self, index: np.ndarray) -> Tensor:
        """Pictures uint8 [n, 2, 96, 96, 3] of these frames."""
        ...


@dataclass
class DiskPictures:
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
class MemoryPictures:
    """Pictures in the memory of a device."""

    pixels: Tensor
    """uint8 [N, 2, 96, 96, 3]."""

    def take(self, index: np.ndarray) -> Tensor:
        """Pictures uint8 [n, 2, 96, 96, 3] of these frames, on the device."""
        return self.pixels[torch.from_numpy(index).to(self.pixels.device)]


@dataclass
class Frames:
    """All frames; the first axis of every member is the frame."""

    pictures: Pictures
    state: Tensor  # float [N, 11], not yet normalized
    chunk: Tensor  # float [N, 16, 8], offsets and finger goals, not yet normalized
    valid: Tensor  # float [N, 16], 0 where the label stream was interrupted
    uv: Tensor  # float [N, 2, 2, 2], object and place in each picture, 0..1
    relative: Tensor  # float [N, 6], object from the tool tip, place from the object, m
    goal: np.ndarray  # int [N], place in `training.language.all_goals`
    weight: np.ndarray  # float [N]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.state)

    @property
    def families(self) -> list[str]:
        """Names of the task families that occur."""
        return sorted({all_goals()[i].family for i in np.unique(self.goal)})


def joined(parts: Sequence[Frames], device: torch.device) -> Frames:
    """All of them, one after the other, in the memory of a device."""
    pixels = [part.pictures.take(np.arange(len(part))).to(device) for part in parts]
    tensors = {
        f.name: torch.cat([getattr(part, f.name).to(device) for part in parts])
        for f in fields(Frames)
        if isinstance(getattr(parts[0], f.name), Tensor)
    }
    return Frames(
        MemoryPictures(torch.cat(pixels)),
        **tensors,
        goal=np.concatenate([part.goal for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
    )


def load_frames(
    demonstrations: Sequence[Path],
    corrections: Sequence[Path] = (),
    correction_weight: float = 1.0,
) -> Frames:
    """Read the data sets; frames while the arm was being disturbed are left out.

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
    pictures = DiskPictures([data.pictures() for data in sets], source[keep], row[keep])
    return _frames(columns, pictures)


def part_frames(path: Path, weight: float) -> Frames:
    """Read one part of a data set that is being recorded, without frames of a disturbed arm.

    Raises:
        QuantVLAError: the file is damaged.
    """
    columns, pixels = read_part(path, COLUMNS)
    columns["weight"] = columns["weight"] * weight
    keep = ~columns["disturbed"]
    columns = {key: value[keep] for key, value in columns.items()}
    return _frames(columns, MemoryPictures(torch.from_numpy(pixels[keep])))


def _goal_numbers(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    names = np.stack([columns[f"goal.{part}"] for part in ("family", "object", "destination")], 1)
    numbers = {goal: number for number, goal in enumerate(all_goals())}
    keys = [GoalName(*name) for name in names.tolist()]
    if unknown := set(keys) - set(numbers):
        raise QuantVLAError(
            f"No task family asks for {' '.join(min(unknown))}; record the data set again."
        )
    return np.array([numbers[key] for key in keys])


def _frames(columns: Mapping[str, np.ndarray], pictures: Pictures) -> Frames:
    chunk = columns["chunk"].copy()
    chunk[:, :, :ARM] -= columns["observation.state"][:, None, :ARM]
    thing, place, tip = columns["scene.object"], columns["scene.place"], columns["observation.tip"]
    return Frames(
        pictures=pictures,
        state=torch.from_numpy(np.concatenate([columns["observation.state"], tip], axis=1)),
        chunk=torch.from_numpy(chunk),
        valid=torch.from_numpy(columns["chunk_valid"].astype(np.float32)),
        uv=torch.from_numpy(
            np.stack([columns["scene.object_uv"], columns["scene.place_uv"]], axis=1)
        ),
        relative=torch.from_numpy(np.concatenate([thing - tip, place - thing], axis=1)),
        goal=_goal_numbers(columns),
        weight=columns["weight"],
    )


def sampling_probability(frames: Frames) -> np.ndarray:
    """Probability [N] of each frame: families get equal shares, frames of one by their weight."""
    names = frames.families
    numbers = {name: number for number, name in enumerate(names)}
    family = np.array([numbers.get(goal.family, -1) for goal in all_goals()])[frames.goal]
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
    def of(cls, frames: Frames, state_range: bool = False) -> Statistics:
        """Measure them on valid frames; the finger's are fixed so that open is 1 and closed -1.

        With `state_range` the state's range becomes -1..1.
        """
        valid = frames.valid.numpy()[..., None]
        chunk = frames.chunk.numpy()
        total = valid.sum(0)
        mean = (chunk * valid).sum(0) / total
        std = np.sqrt((((chunk - mean) ** 2) * valid).sum(0) / total)
        mean[:, ARM], std[:, ARM] = FINGER_CENTER, FINGER_SCALE
        state = frames.state.numpy()
        low, high = state.min(0), state.max(0)
        return cls(
            state_mean=(low + high) / 2 if state_range else state.mean(0),
            state_std=((high - low) / 2 if state_range else state.std(0)) + np.float32(1e-3),
            action_mean=mean.astype(np.float32),
            action_std=np.maximum(std, 0.005).astype(np.float32),
        )

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read what `save` wrote."""
        with np.load(path) as saved:
            return cls(**dict(saved))

    def save(self, path: Path) -> None:
        """Write them."""
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **vars(self))

    def apply(self, frames: Frames) -> None:
        """Normalize state and chunk in place."""
        frames.state.sub_(torch.from_numpy(self.state_mean)).div_(torch.from_numpy(self.state_std))
        frames.chunk.sub_(torch.from_numpy(self.action_mean)).div_(
            torch.from_numpy(self.action_std)
        )
