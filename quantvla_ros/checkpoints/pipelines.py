# SPDX-License-Identifier: Apache-2.0
"""LeRobot's processing pipelines, read as they stand: policy_preprocessor.json and its partner.

Written by LeRobot 0.4 and newer (lerobot/processor/pipeline.py: a list of steps by registry name,
each with its configuration and, where it has tensors, a `state_file`; from 0.6.2 on `artifacts`
that lie in folders beside it). Older checkpoints have none and are refused: LeRobot itself converts
them, and the version that trained them is not written down.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from quantvla_ros.bundle.normalization import Normalization
from quantvla_ros.checkpoints.checkpoint import CONFIG, Checkpoint, read_json
from quantvla_ros.checkpoints.shared_steps import KNOWN, Config, Normalize
from quantvla_ros.checkpoints.shared_steps import RelativeActions as RelativeActions
from quantvla_ros.checkpoints.shared_steps import Rename as Rename
from quantvla_ros.checkpoints.shared_steps import TokenizePrompt as TokenizePrompt
from quantvla_ros.checkpoints.sources import StoredTensor, read_tensor_file
from quantvla_ros.checkpoints.statistics import (
    ACTION,
    STATE,
    Feature,
    Scaled,
    Values,
    features_of,
    normalization,
)
from quantvla_ros.errors import CheckpointError
from quantvla_ros.validation import first_problem

PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"

_NOTHING = ("to_batch_processor", "device_processor")
"""Steps that mean nothing here: a batch axis, and where tensors lie."""


_Kind = TypeVar("_Kind", bound=Config)


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

    def read(self, kind: type[_Kind]) -> _Kind:
        """Its configuration as a family's own type.

        Raises:
            CheckpointError: a field is not known or not valid.
        """
        return _understood(self.where, self.raw, kind)

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


@dataclass(frozen=True)
class Pipelines:
    """Both pipelines of a checkpoint, without the steps that mean nothing here.

    Attributes:
        pre: from an observation to the network's inputs.
        post: from its output to actions.
    """

    pre: tuple[Step, ...]
    post: tuple[Step, ...]

    @property
    def renamed(self) -> Mapping[str, str]:
        """The policy's new name of a picture by the one that the robot had in training."""
        rename = self.find(Rename)
        return {} if rename is None else rename.rename_map

    def normalization(
        self, states: int, actions: int, horizon: int, given: Mapping[str, Feature]
    ) -> Normalization:
        """The manifest's normalization by the steps that normalize.

        Args:
            states: values of the state.
            actions: values of an action.
            horizon: rows of a chunk.
            given: see `Step.scaled`.

        Raises:
            CheckpointError: a step or a statistic is missing.
        """
        state = self.need("normalizer_processor").scaled(STATE, states, given)
        action = self.need("unnormalizer_processor").scaled(ACTION, actions, given)
        return normalization(state, action, horizon)

    def find(self, kind: type[_Kind]) -> _Kind | None:
        """Configuration of the first step of a kind, in the pre-processor before its partner."""
        found = (step.config for step in (*self.pre, *self.post))
        return next((config for config in found if isinstance(config, kind)), None)

    def step(self, name: str) -> Step | None:
        """The first step of a registry name."""
        return next((step for step in (*self.pre, *self.post) if step.name == name), None)

    def need(self, name: str) -> Step:
        """The first step of a registry name.

        Raises:
            CheckpointError: there is none.
        """
        found = self.step(name)
        if found is None:
            files = sorted({str(step.file) for step in (*self.pre, *self.post)})
            raise CheckpointError(
                f"no step '{name}' is in {' or '.join(files)}, which every checkpoint of this "
                "family has; export it again with the LeRobot that trained it"
            )
        return found


def read_pipelines(
    checkpoint: Checkpoint, own: Collection[str] = (), scaled_pictures: bool = False
) -> Pipelines:
    """Read both pipelines of a LeRobot checkpoint.

    Args:
        checkpoint: that was opened.
        own: registry names of the steps that the family reads itself.
        scaled_pictures: whether the family scales pictures by statistics, as few do.

    Raises:
        CheckpointError: a file is missing or damaged, a step or a field is not known.
    """
    path = checkpoint.path
    if not (path / PREPROCESSOR).is_file():
        old = " (its weights hold the statistics, as before LeRobot 0.4)"
        raise CheckpointError(
            f"{path} has no {PREPROCESSOR}{old if checkpoint.buffers else ''}; convert it with "
            "LeRobot's lerobot/processor/migrate_policy_normalization.py, or copy the whole "
            "checkpoint"
        )
    _refuse_memory(checkpoint)
    found = Pipelines(_steps(path / PREPROCESSOR, own), _steps(path / POSTPROCESSOR, own))
    if not scaled_pictures:
        for step in (*found.pre, *found.post):
            _refuse_scaled_pictures(step)
    return found


def _refuse_memory(checkpoint: Checkpoint) -> None:
    """Refuse a policy that looks back: a chunk here is made of one observation."""
    config = checkpoint.config
    looks_back = [key for key, value in config.items() if "memory" in key and value is True]
    if int(config.get("n_obs_steps") or 1) > 1:
        looks_back.append("n_obs_steps")
    if looks_back:
        raise CheckpointError(
            f"{checkpoint.path / CONFIG} sets {looks_back[0]}: the policy remembers observations, "
            "which is not done here; train it without"
        )


def _refuse_scaled_pictures(step: Step) -> None:
    """Refuse pictures scaled by statistics; most families take them as -1..1 or 0..1."""
    config = step.config
    if not isinstance(config, Normalize):
        return
    for name, feature in config.features.items():
        mode = config.mode(name)
        if feature.type == "VISUAL" and mode != "IDENTITY" and f"{name}.mean" in step.state:
            raise CheckpointError(
                f"{step.where} scales the picture '{name}' by {mode}, which is not done here; "
                "train with VISUAL: IDENTITY"
            )


def _steps(file: Path, own: Collection[str]) -> tuple[Step, ...]:
    content = read_json(file)
    listed = content.get("steps") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise CheckpointError(f"{file} lists no steps; copy the checkpoint again")
    steps = (_step(file, one, own) for one in listed)
    return tuple(step for step in steps if step.name not in _NOTHING)


def _step(file: Path, entry: Mapping[str, Any], own: Collection[str]) -> Step:
    name = str(entry.get("registry_name") or entry.get("class") or "without a name")
    raw, artifacts = entry.get("config") or {}, entry.get("artifacts") or {}
    if not isinstance(raw, dict) or not isinstance(artifacts, dict):
        raise CheckpointError(f"step '{name}' of {file} is damaged; copy the checkpoint again")
    config = None
    if name in KNOWN and name not in own:
        config = _understood(f"step '{name}' of {file}", raw, KNOWN[name])
    elif name not in own and name not in _NOTHING:
        raise CheckpointError(
            f"step '{name}' of {file} is not known, and leaving it out would change the policy; "
            "retrain without it, or ask for it"
        )
    state_file = _beside(file, entry.get("state_file"))
    if state_file is not None and not state_file.is_file():
        raise CheckpointError(
            f"{state_file} is missing, which step '{name}' of {file} needs; copy the whole "
            "checkpoint"
        )
    return Step(
        name=name,
        file=file,
        config=config,
        raw=raw,
        state=read_tensor_file(state_file).tensors if state_file is not None else {},
        state_file=state_file,
        artifacts={k: p for k, v in artifacts.items() if (p := _beside(file, v)) is not None},
    )


def _understood(where: str, raw: Mapping[str, Any], kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise CheckpointError(
            f"{where} is not understood at {first_problem(error)}; it means something that "
            "this version does not do: retrain without it, or ask for it"
        ) from error


def _beside(file: Path, named: Any) -> Path | None:
    """A file or folder that a pipeline names; it must lie in the checkpoint."""
    if not named:
        return None
    relative = Path(str(named))
    if relative.is_absolute() or ".." in relative.parts:
        raise CheckpointError(f"{file} names '{named}', which does not lie beside it")
    return file.parent / relative
