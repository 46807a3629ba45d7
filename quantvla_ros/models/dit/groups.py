# SPDX-License-Identifier: Apache-2.0
"""State and actions as groups of values: how they are normalized and what they are counted from.

A relative group of type EEF is a pose in the frame of the tip, as it was observed when the chunk
was predicted: the tip is to be at observed @ relative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantvla_ros.checkpoints.statistics import ACTION, STATE, Feature, Scaled, Values
from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.rotations import WIDTHS, Rotation

ROTATIONS: Mapping[str, Rotation] = {"xyz+rot6d": "rot6d", "xyz+rotvec": "vector"}
_FORMATS = "9 values xyz+rot6d or of 6 values xyz+rotvec"
_STATISTICS = ("mean", "std")


@dataclass(frozen=True)
class Counted:
    """Which actions are counted from the state, and how; fields as in `Spaces`."""

    relative: Sequence[bool] = ()
    origins: Sequence[int] = ()
    poses: Mapping[int, Rotation] = field(default_factory=dict)


@dataclass(frozen=True)
class Groups:
    """State and actions of one embodiment as groups with a width, a name and statistics each.

    Attributes:
        where: file, for sentences.
        modality: of the embodiment: ``state``, ``action`` and ``video`` with ``modality_keys``.
        statistics: ``state``, ``action`` and ``relative_action``, each by group and statistic.
        percentiles: whether ranges go from the 1st to the 99th.
        relative: whether groups that are marked so count from the state.
    """

    where: str
    modality: Mapping[str, Any]
    statistics: Mapping[str, Any]
    percentiles: bool
    relative: bool

    def state(self, clip: bool) -> Scaled:
        """How the state is normalized."""
        self._check_ranges("state")
        groups = [self._group("state", name) for name in self.modality["state"]["modality_keys"]]
        ends = self._ends(relative=False)
        return _scaled(STATE, self.where, [(group, ends) for group in groups], clip, rows=None)

    def action(self, rows: int, clip: bool = True) -> tuple[Scaled, Counted]:
        """How a chunk's actions are normalized, and which are counted from the state.

        Raises:
            CheckpointError: they are composed in a way that is not known, or their statistics are
                missing.
        """
        self._check_ranges("action")
        given, poses = [], {}
        relative: list[bool] = []
        origins: list[int] = []
        for name, way in zip(self._actions, self._ways, strict=True):
            counts = self.relative and str(way["rep"]).lower() == "relative"
            group = self._group("relative_action" if counts else "action", name)
            short = [len(v) for v in group.values() if v.ndim == 2 and len(v) < rows]
            if short:
                raise CheckpointError(
                    f"{self.where} has statistics of {short[0]} steps of action group '{name}', "
                    f"and a chunk has {rows}; give a checkpoint with whole statistics"
                )
            width = group["mean"].shape[-1]
            begin = self._origin(name, str(way.get("state_key") or name), width) if counts else 0
            if counts and str(way["type"]).upper() == "EEF":
                poses[len(relative)] = self._rotation(name, way, width)
            given.append((group, self._ends(counts)))
            relative += [counts] * width
            origins += range(begin, begin + width)
        if len(poses) > 1:
            raise CheckpointError(
                f"{self.where} commands poses of {len(poses)} tips among {', '.join(self._actions)}"
                ", and one tip is carried; train with joint actions, or one arm alone"
            )
        counted = Counted(relative, origins, poses)
        return _scaled(ACTION, self.where, given, clip, rows=rows), counted

    def _check_ranges(self, kind: str) -> None:
        if known := self.modality[kind].get("mean_std_embedding_keys"):
            raise CheckpointError(
                f"{self.where} scales {kind} group '{known[0]}' by mean and deviation, and only "
                "ranges are carried; train without mean_std_embedding_keys"
            )

    def _origin(self, name: str, state: str, width: int) -> int:
        """Where the state group begins that an action group is counted from."""
        before = 0
        for known in self.modality["state"]["modality_keys"]:
            values = self._group("state", known)["mean"].shape[-1]
            if known == state and values == width:
                return before
            before += values
        raise CheckpointError(
            f"{self.where} counts action group '{name}' of {width} values from state group "
            f"'{state}', and its state has no such group of as many values; give a checkpoint "
            "whose state holds it"
        )

    def _rotation(self, name: str, way: Mapping[str, Any], width: int) -> Rotation:
        """How the rotation of a composed pose is told."""
        told = str(way.get("format")).lower().replace("_", "+")
        rotation = ROTATIONS.get(told)
        if rotation is None or width != 3 + WIDTHS[rotation]:
            raise CheckpointError(
                f"{self.where} has action group '{name}' of type EEF, whose {width} values are "
                f"told as '{way.get('format')}'; only poses of {_FORMATS} are carried: train with "
                "one of them, or with joint actions"
            )
        return rotation

    def columns(self, group: str) -> tuple[int, ...]:
        """Places of an action group's values."""
        before = 0
        for name in self._actions:
            width = self._group("action", name)["mean"].shape[-1]
            if name == group:
                return tuple(range(before, before + width))
            before += width
        raise CheckpointError(
            f"{self.where} has no action group '{group}', which its embodiment's actions are "
            "decoded by; give a checkpoint of that embodiment"
        )

    @property
    def rows(self) -> int:
        """Of a chunk that were trained."""
        return len(self.modality["action"]["delta_indices"])

    @property
    def _actions(self) -> list[str]:
        return list(self.modality["action"]["modality_keys"])

    @property
    def _ways(self) -> list[Mapping[str, Any]]:
        plain = {"rep": "ABSOLUTE", "type": "NON_EEF"}
        return list(self.modality["action"].get("action_configs") or [plain] * len(self._actions))

    def _ends(self, relative: bool) -> tuple[str, str]:
        """Relative actions always go from minimum to maximum."""
        return ("q01", "q99") if self.percentiles and not relative else ("min", "max")

    def _group(self, kind: str, name: str) -> Mapping[str, Values]:
        try:
            known = self.statistics[kind][name]
            return {key: np.asarray(known[key], np.float64) for key in known if key != "count"}
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.where} has no statistics of {kind} group '{name}'; give a checkpoint with "
                "the statistics of its embodiment, or train it on your robot's data first"
            ) from error


def _scaled(
    name: str,
    where: str,
    groups: Sequence[tuple[Mapping[str, Values], tuple[str, str]]],
    clip: bool,
    rows: int | None,
) -> Scaled:
    """Groups strung together; with `rows`, as many rows of each."""
    found: dict[str, list[Values]] = {key: [] for key in ("min", "max", *_STATISTICS)}
    for group, (low, high) in groups:
        for key, source in (("min", low), ("max", high), ("mean", "mean"), ("std", "std")):
            if source not in group:
                raise CheckpointError(
                    f"{where} has no '{source}' of a group of '{name}', by which it is "
                    "normalized; give a checkpoint with whole statistics"
                )
            found[key].append(_rows(group[source], rows))
    values = {key: np.concatenate(parts, axis=-1) for key, parts in found.items()}
    count = values["min"].shape[-1]
    return ranged(Feature(name, where, values), count, clip)


def _rows(values: Values, rows: int | None) -> Values:
    if rows is None or values.ndim == 2:
        return values[:rows]
    return np.broadcast_to(values, (rows, len(values)))


def ranged(feature: Feature | None, count: int, clip: bool, where: str = "") -> Scaled:
    """Minimum to maximum as -1 to 1, and 0 where they are equal, as these policies do."""
    told = feature.where if feature is not None else where
    return Scaled(feature, "MIN_MAX", count, told, eps=0.0, eps_where="zero", clip=clip)
