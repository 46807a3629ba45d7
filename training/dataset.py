# SPDX-License-Identifier: Apache-2.0
"""Frames of demonstrations and corrections as tensors ready for training.

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

from quantvla_ros.errors import QuantVLAError

HORIZON = 16
ARM = 7
FINGER_CENTER, FINGER_SCALE = 0.02, 0.02  # metres; open 0.04 and closed 0.0 become +1 and -1
GRID = 6  # image tokens a side, for the auxiliary heads
BASKET = 5  # row of the basket in `positions`; rows 0 to 4 are the objects
SHARED_KEYS = ("images", "joints", "tip", "target", "positions", "uv")
DEMONSTRATION_KEYS = (*SHARED_KEYS, "action", "event", "phase", "disturbed", "episode")
CORRECTION_KEYS = (*SHARED_KEYS, "chunk")


@dataclass
class Frames:
    """All frames in memory; the first axis of every member is the frame."""

    images: Tensor  # uint8 [N, 2, 96, 96, 3]
    state: Tensor  # float [N, 11], not yet normalized
    chunk: Tensor  # float [N, 16, 8], offsets and finger goals, not yet normalized
    valid: Tensor  # float [N, 16], 0 where the label stream was interrupted
    target: Tensor  # int64 [N], the object that the instruction names
    uv: Tensor  # float [N, 2, 2], the target in each picture, 0..1
    relative: Tensor  # float [N, 6], target and basket relative to the tool tip, m
    weight: np.ndarray  # float [N], sampling weight
    episode: np.ndarray  # int [N], seed of the demonstration, -1 for corrections

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.state)


def _load(directory: Path, pattern: str, keys: Sequence[str]) -> dict[str, np.ndarray]:
    files = sorted(directory.glob(pattern))
    if not files:
        raise QuantVLAError(f"no {pattern} files in {directory}; make them first")
    parts: dict[str, list[np.ndarray]] = {key: [] for key in keys}
    for file in files:
        with np.load(file) as data:
            for key in keys:
                parts[key].append(data[key])
    return {key: np.concatenate(value) for key, value in parts.items()}


def _demonstration_chunks(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets [N, 16, 8] and validity [N, 16]; past an episode's end its last action repeats."""
    episode = data["episode"]
    count = len(episode)
    last = np.empty(count, dtype=np.int64)
    boundaries = np.flatnonzero(np.r_[episode[1:] != episode[:-1], True])
    last[:] = boundaries[np.searchsorted(boundaries, np.arange(count))]
    index = np.minimum(np.arange(count)[:, None] + np.arange(HORIZON), last[:, None])
    chunk = data["action"][index].copy()
    chunk[:, :, :ARM] -= data["joints"][:, None, :ARM]
    event = data["event"][index].astype(bool)
    event[:, 0] = False
    return chunk, ~(np.cumsum(event, axis=1) > 0)


def load_frames(demonstrations: Path, corrections: Path | None, correction_weight: float) -> Frames:
    """Read every chunk file; frames while the arm was being disturbed are left out.

    Args:
        demonstrations: directory of `training.demonstrations`.
        corrections: directory of `training.corrections`, or None.
        correction_weight: sampling weight of a correction beside a demonstration frame (1).

    Raises:
        QuantVLAError: a directory holds no chunk files.
    """
    data = _load(demonstrations, "demos*.npz", DEMONSTRATION_KEYS)
    chunk, valid = _demonstration_chunks(data)
    keep = ~data["disturbed"].astype(bool)
    weight = np.where(data["phase"] <= 1, 1.0, 0.5)  # approach and grasp decide success
    episode = data["episode"]
    columns = {key: data[key][keep] for key in SHARED_KEYS}
    chunk, valid, weight, episode = chunk[keep], valid[keep], weight[keep], episode[keep]
    del data
    if corrections is not None:
        more = _load(corrections, "corrections*.npz", CORRECTION_KEYS)
        offsets = more["chunk"].copy()
        offsets[:, :, :ARM] -= more["joints"][:, None, :ARM]
        columns = {key: np.concatenate([value, more[key]]) for key, value in columns.items()}
        count = len(offsets)
        chunk = np.concatenate([chunk, offsets])
        valid = np.concatenate([valid, np.ones((count, HORIZON), bool)])
        weight = np.concatenate([weight, np.full(count, correction_weight)])
        episode = np.concatenate([episode, np.full(count, -1)])
    rows = np.arange(len(chunk))
    target = columns["target"].astype(np.int64)
    positions, tip = columns["positions"], columns["tip"]
    relative = np.concatenate([positions[rows, target] - tip, positions[:, BASKET] - tip], axis=1)
    return Frames(
        images=torch.from_numpy(columns["images"]),
        state=torch.from_numpy(np.concatenate([columns["joints"], tip], axis=1).astype(np.float32)),
        chunk=torch.from_numpy(chunk.astype(np.float32)),
        valid=torch.from_numpy(valid.astype(np.float32)),
        target=torch.from_numpy(target),
        uv=torch.from_numpy(columns["uv"][rows, target].astype(np.float32)),
        relative=torch.from_numpy(relative.astype(np.float32)),
        weight=weight,
        episode=episode,
    )


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
