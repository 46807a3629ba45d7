# SPDX-License-Identifier: Apache-2.0
"""One step of a pipeline of LeRobot's: its configuration and its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from quantvla_ros.checkpoints.shared_steps import Config, Normalize
from quantvla_ros.checkpoints.sources import StoredTensor
from quantvla_ros.checkpoints.statistics import Feature, Scaled, Values, features_of
from quantvla_ros.errors import CheckpointError
from quantvla_ros.validation import first_problem

ConfigKind = TypeVar("ConfigKind", bound=Config)


@dataclass(frozen=True)
class Step:
    """One step of a pipeline.

    Attributes:
        name: its registry name.
        file: JSON file that lists it.
        config: of a step that every family shares; None of a family's own.
        raw: configuration as it stands in the file.
        state: tensors of its state file by name; empty where it has none.
        state_file: path of it; None where it has none.
        artifacts: folders or files beside it, by the field of the configuration that names them.
    """

    name: str
    file: Path
    config: Config | None
    raw: Mapping[str, Any]
    state: Mapping[str, StoredTensor]
    state_file: Path | None
    artifacts: Mapping[str, Path]

    @property
    def where(self) -> str:
        """The step and its file, for sentences."""
        return f"step '{self.name}' of {self.file}"

    def read(self, kind: type[ConfigKind]) -> ConfigKind:
        """Its configuration as a family's own type.

        Raises:
            CheckpointError: a field is not known or not valid.
        """
        return understood(self.where, self.raw, kind)

    def features(self) -> dict[str, Feature]:
        """Statistics in its state file, by feature."""
        return features_of(str(self.state_file or self.file), self.state)

    def scaled(
        self, feature: str, count: int, given: Mapping[str, Feature] | None = None
    ) -> Scaled:
        """How this normalization step treats a feature.

        Args:
            feature: such as ``observation.state``.
            count: values that it has.
            given: statistics that the user gave in place of the checkpoint's.

        Raises:
            CheckpointError: it is to be scaled, and nothing says by what.
        """
        config = self.config
        assert isinstance(config, Normalize)
        mode, stored = config.mode(feature), self.features()
        known = (given or {}).get(feature) or stored.get(feature)
        where = str(self.state_file or self.file)
        if known is None and mode != "IDENTITY":
            others = ", ".join(f"'{name}'" for name in sorted(stored)) or "nothing"
            raise CheckpointError(
                f"{where} has no statistics of '{feature}', which {self.where} scales by {mode} "
                f"(it has {others}); give statistics of the training data with --norm-stats FILE"
            )
        return Scaled(known, mode, count, where, eps=config.eps)

    def picture_statistics(self, picture: str) -> tuple[Values, Values]:
        """Mean and deviation of a picture's three channels, where black is 0 and white 1.

        Args:
            picture: such as ``observation.images.front``.

        Raises:
            CheckpointError: it has none.
        """
        known = self.features().get(picture)
        if known is None:
            raise CheckpointError(
                f"{self.state_file or self.file} has no statistics of '{picture}', by which "
                f"{self.where} scales it; copy the whole checkpoint again"
            )
        flat = {name: values.reshape(-1) for name, values in known.values.items()}
        found = Feature(picture, known.where, flat)
        return found.get("mean", 3), found.get("std", 3)


def understood(where: str, raw: Mapping[str, Any], kind: type[ConfigKind]) -> ConfigKind:
    """A step's configuration as its type.

    Args:
        where: the step and its file, for sentences.
        raw: as it stands in the file.
        kind: the type.

    Raises:
        CheckpointError: a field is not known or not valid.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise CheckpointError(
            f"{where} is not understood at {first_problem(error)}; it means something that "
            "this version does not do: retrain without it, or ask for it"
        ) from error
