# SPDX-License-Identifier: Apache-2.0
"""The steps of LeRobot's pipelines that every family shares, by their registry names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quantvla_ros.checkpoints.statistics import Mode


class Config(BaseModel):
    """A step's configuration; a field that is not known is refused: it might mean anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeatureShape(Config):
    """What a normalization step says of a feature."""

    type: str
    shape: list[int]


class Rename(Config):
    """rename_observations_processor: the robot's keys by the policy's."""

    rename_map: dict[str, str] = {}


class Normalize(Config):
    """normalizer_processor and unnormalizer_processor; statistics: `Step.features`."""

    features: dict[str, FeatureShape]
    norm_map: dict[str, Mode]
    eps: float = 1e-8
    normalize_observation_keys: list[str] | None = None

    def mode(self, feature: str) -> Mode:
        """How a feature is normalized."""
        known = self.features.get(feature)
        keys = self.normalize_observation_keys
        skipped = keys is not None and feature != "action" and feature not in keys
        if known is None or skipped:
            return "IDENTITY"
        return self.norm_map.get(known.type, "IDENTITY")


class RelativeActions(Config):
    """relative_actions_processor: actions counted from the state, but for some."""

    enabled: bool = False
    exclude_joints: list[str] = []
    action_names: list[str] | None = None

    def mask(self, count: int) -> list[bool]:
        """Which of `count` actions are relative.

        LeRobot's rule (processor/relative_action_processor.py, 0.6.1): without names or without
        excluded words all are; a name that contains an excluded word is not.
        """
        if not self.enabled:
            return [False] * count
        words = [word.lower() for word in self.exclude_joints if word]
        if not words or self.action_names is None:
            return [True] * count
        names = [name.lower() for name in self.action_names[:count]]
        mask = [not any(word in name for word in words) for name in names]
        return mask + [True] * (count - len(mask))


class AbsoluteActions(Config):
    """absolute_actions_processor: the way back of `RelativeActions`."""

    enabled: bool = False


class TokenizePrompt(Config):
    """tokenizer_processor; its folder, where it lies there, is in `Step.artifacts`."""

    max_length: int = 512
    task_key: str = "task"
    padding_side: Literal["left", "right"] = "right"
    padding: Literal["max_length", "longest"] | bool = "max_length"
    truncation: bool = True
    tokenizer_name: str | None = None


KNOWN: Mapping[str, type[Config]] = {
    "rename_observations_processor": Rename,
    "normalizer_processor": Normalize,
    "unnormalizer_processor": Normalize,
    "relative_actions_processor": RelativeActions,
    "absolute_actions_processor": AbsoluteActions,
    "tokenizer_processor": TokenizePrompt,
}
