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
from typing import Any

from quantvla_ros.bundle.normalization import Normalization
from quantvla_ros.checkpoints.checkpoint import CONFIG, Checkpoint, read_json
from quantvla_ros.checkpoints.pipeline_step import ConfigKind, Step, understood
from quantvla_ros.checkpoints.shared_steps import KNOWN, Normalize
from quantvla_ros.checkpoints.shared_steps import RelativeActions as RelativeActions
from quantvla_ros.checkpoints.shared_steps import Rename as Rename
from quantvla_ros.checkpoints.shared_steps import TokenizePrompt as TokenizePrompt
from quantvla_ros.checkpoints.sources import read_tensor_file
from quantvla_ros.checkpoints.statistics import ACTION, STATE, Feature, normalization
from quantvla_ros.errors import CheckpointError

PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"

_NOTHING = ("to_batch_processor", "device_processor")
"""Steps that mean nothing here: a batch axis, and where tensors lie."""


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

    def find(self, kind: type[ConfigKind]) -> ConfigKind | None:
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
        config = understood(f"step '{name}' of {file}", raw, KNOWN[name])
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


def _beside(file: Path, named: Any) -> Path | None:
    """A file or folder that a pipeline names; it must lie in the checkpoint."""
    if not named:
        return None
    relative = Path(str(named))
    if relative.is_absolute() or ".." in relative.parts:
        raise CheckpointError(f"{file} names '{named}', which does not lie beside it")
    return file.parent / relative
