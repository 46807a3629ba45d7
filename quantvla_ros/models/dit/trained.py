# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint says of how its policy was trained, in whichever of the two layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantvla_ros.checkpoints.statistics import ACTION, STATE, Feature, Scaled, Values
from quantvla_ros.errors import CheckpointError

_STATISTICS = ("mean", "std")


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
        relative: which actions are counted from the state.
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
    relative: Sequence[bool]
    two_sided: tuple[int, ...]
    horizon: int
    steps: int
    backbone: str
    rename: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
        groups = [self._group("state", name) for name in self.modality["state"]["modality_keys"]]
        ends = self._ends(relative=False)
        return _scaled(STATE, self.where, [(group, ends) for group in groups], clip, rows=None)

    def action(self, rows: int, clip: bool = True) -> tuple[Scaled, list[bool]]:
        """How a chunk's actions are normalized, and which count from the state.

        Raises:
            CheckpointError: they are composed otherwise than by adding.
        """
        given, relative = [], []
        for name, way in zip(self._actions, self._ways, strict=True):
            counted = self.relative and str(way["rep"]).lower() == "relative"
            if counted and str(way["type"]).upper() != "NON_EEF":
                raise CheckpointError(
                    f"{self.where} has action group '{name}' of type {way['type']}, whose poses "
                    "are counted from the tip's pose; groups of type NON_EEF are carried: train "
                    "with joint actions"
                )
            if counted and (way.get("state_key") or name) != name:
                raise CheckpointError(
                    f"{self.where} counts action group '{name}' from state group "
                    f"'{way['state_key']}'; only a group of the same name is carried"
                )
            group = self._group("relative_action" if counted else "action", name)
            short = [len(v) for v in group.values() if v.ndim == 2 and len(v) < rows]
            if short:
                raise CheckpointError(
                    f"{self.where} has statistics of {short[0]} steps of action group '{name}', "
                    f"and a chunk has {rows}; give a checkpoint with whole statistics"
                )
            given.append((group, self._ends(counted)))
            relative += [counted] * group["mean"].shape[-1]
        return _scaled(ACTION, self.where, given, clip, rows=rows), relative

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
