# SPDX-License-Identifier: Apache-2.0
"""Statistics of a checkpoint's data, and the normalization that they make.

A feature's statistics are mean, std, min, max, q01, q10, q90, q99 of its values, each [n] or, where
they differ by the step of a chunk, [rows][n].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.normalization import Normalization, ScaleRule
from quantvla_ros.checkpoints.checkpoint import read_json
from quantvla_ros.checkpoints.sources import Source, read_tensor_file
from quantvla_ros.errors import CheckpointError

STATE, ACTION = "observation.state", "action"
Mode = Literal["MEAN_STD", "MIN_MAX", "QUANTILES", "QUANTILE10", "IDENTITY"]

_ENDS: dict[str, tuple[str, str]] = {
    "MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90"),
}  # fmt: skip
_SPREADS = {"MIN_MAX": 6.0, "QUANTILES": 4.65, "QUANTILE10": 2.56}
"""Standard deviations that lie between the ends, of normally distributed values."""
SMALLEST = 1e-6
"""Deviation of a value that never changed in the data, in its own unit."""
_WIDE = 1e3
"""Deviation where nothing is known of the data: no measured value is far from it."""
_ALIASES = {"actions": ACTION, "state": STATE}

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """One feature's statistics.

    Attributes:
        name: such as ``observation.state``.
        where: file that they come from, for sentences.
        values: by their name, float64 [n] or [rows, n].
    """

    name: str
    where: str
    values: Mapping[str, Values]

    def get(self, name: str, count: int) -> Values:
        """A statistic.

        Args:
            name: such as ``q01``.
            count: values that the feature has.

        Raises:
            CheckpointError: it is missing, not finite, or of another number of values.
        """
        found = self.values.get(name)
        if found is None or found.size == 0:
            raise CheckpointError(
                f"{self.where} has no '{name}' of '{self.name}', by which its values are "
                "normalized; give statistics of the training data with --norm-stats FILE"
            )
        if not np.isfinite(found).all():
            raise CheckpointError(
                f"{self.where} has a '{name}' of '{self.name}' that is not finite, as if it was "
                "never set; give statistics of the training data with --norm-stats FILE"
            )
        if found.shape[-1] != count:
            raise CheckpointError(
                f"{self.where} has {found.shape[-1]} values of '{name}' of '{self.name}', and the "
                f"policy has {count}; give statistics of its own data with --norm-stats FILE"
            )
        return found


def features_of(where: str, tensors: Mapping[str, Source]) -> dict[str, Feature]:
    """Statistics as a LeRobot state file holds them, ``<feature>.<statistic>``."""
    found: dict[str, dict[str, Values]] = {}
    for key, source in tensors.items():
        feature, _, statistic = key.rpartition(".")
        found.setdefault(feature, {})[statistic] = source.read().double().numpy()
    return {name: Feature(name, where, values) for name, values in found.items()}


def read_norm_stats(path: Path) -> dict[str, Feature]:
    """Statistics from a file: openpi's norm_stats.json, LeRobot's stats.json or a state file.

    Returns:
        By feature; ``state`` and ``actions`` of openpi are `STATE` and `ACTION`.

    Raises:
        CheckpointError: it cannot be read or is none of these.
    """
    if path.suffix == ".safetensors":
        return features_of(str(path), read_tensor_file(path).tensors)
    content = read_json(path)
    content = content.get("norm_stats", content) if isinstance(content, dict) else None
    found = {}
    for name, statistics in content.items() if isinstance(content, dict) else ():
        try:
            values = {k: np.asarray(v, np.float64) for k, v in statistics.items() if v is not None}
        except (ValueError, TypeError, AttributeError):
            continue  # a picture's, or not a feature at all
        known = _ALIASES.get(str(name), str(name))
        found[known] = Feature(known, str(path), values)
    if not {STATE, ACTION} & set(found):
        raise CheckpointError(
            f"{path} has no statistics of '{STATE}' or '{ACTION}' (openpi: 'state', 'actions'); "
            "give openpi's norm_stats.json, or meta/stats.json of a LeRobot data set"
        )
    return found


@dataclass(frozen=True)
class Scaled:
    """How one feature is normalized, before it is known for how many rows.

    Attributes:
        feature: its statistics; None: the checkpoint has none.
        mode: LeRobot's word.
        count: values of the feature.
        where: file that asks for it, for sentences.
        eps: see `ScaleRule`.
        eps_where: see `ScaleRule`.
        clip: see `ScaleRule`.
    """

    feature: Feature | None
    mode: Mode
    count: int
    where: str
    eps: float = 1e-8
    eps_where: Literal["equal", "always", "zero"] = "equal"
    clip: bool = False

    def rule(self) -> ScaleRule:
        """The manifest's way of saying it.

        Raises:
            CheckpointError: a statistic that it needs is missing.
        """
        if self.mode == "IDENTITY":
            return ScaleRule(kind="identity", clip=self.clip)
        if self.mode == "MEAN_STD":
            return ScaleRule(kind="mean_std", eps=self.eps)
        known = self._known()
        low, high = (known.get(end, self.count).tolist() for end in _ENDS[self.mode])
        return ScaleRule(
            kind="min_max" if self.mode == "MIN_MAX" else "quantiles",
            low=low,
            high=high,
            eps=self.eps,
            eps_where=self.eps_where,
            clip=self.clip,
        )

    def mean_std(self) -> tuple[Values, Values]:
        """Mean and deviation of the data, each [n] or [rows, n]; from the range if need be.

        Raises:
            CheckpointError: nothing says where the data was.
        """
        if self.mode == "MEAN_STD" or (
            self.feature and {"mean", "std"} <= set(self.feature.values)
        ):
            known = self._known()
            mean, std = known.get("mean", self.count), known.get("std", self.count)
        elif self.mode == "IDENTITY":
            mean, std = np.zeros(self.count), np.full(self.count, _WIDE)
        else:
            known = self._known()
            low, high = (known.get(end, self.count) for end in _ENDS[self.mode])
            mean, std = (low + high) / 2, (high - low) / _SPREADS[self.mode]
        return mean, np.maximum(std, SMALLEST)

    def _known(self) -> Feature:
        if self.feature is None:
            raise CheckpointError(
                f"{self.where} has no statistics of the feature that is normalized by "
                f"{self.mode}; give statistics of the training data with --norm-stats FILE"
            )
        return self.feature


def normalization(state: Scaled, action: Scaled, horizon: int) -> Normalization:
    """The manifest's normalization.

    Args:
        state: of the state vector.
        action: of a chunk's actions; for relative ones the statistics of the differences.
        horizon: rows of a chunk.

    Raises:
        CheckpointError: a statistic is missing.
    """
    (state_mean, state_std), (action_mean, action_std) = state.mean_std(), action.mean_std()
    shape = (horizon, action.count)
    return Normalization(
        state_mean=state_mean.tolist(),
        state_std=state_std.tolist(),
        action_mean=_rows(action_mean, shape, action),
        action_std=_rows(action_std, shape, action),
        state=state.rule(),
        action=action.rule(),
    )


def _rows(values: Values, shape: tuple[int, int], action: Scaled) -> list[list[float]]:
    if values.ndim == 2 and len(values) < shape[0]:
        raise CheckpointError(
            f"{action.where} has statistics of {len(values)} steps and a chunk has {shape[0]}; "
            "give statistics of its own data with --norm-stats FILE"
        )
    rows: Any = np.broadcast_to(values if values.ndim == 1 else values[: shape[0]], shape)
    return [[float(v) for v in row] for row in rows]
