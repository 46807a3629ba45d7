# SPDX-License-Identifier: Apache-2.0
"""What LeRobot's config.json says of any policy, and what a family's sizes may not be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantvla_ros.checkpoints.checkpoint import CONFIG, Checkpoint
from quantvla_ros.checkpoints.statistics import ACTION, STATE
from quantvla_ros.errors import CheckpointError
from quantvla_ros.validation import first_problem

_EMPTY = "empty_camera_"


class PolicyFeature(BaseModel):
    """An input or output of a policy."""

    type: str
    shape: list[int] = Field(min_length=1)


class PolicyConfig(BaseModel):
    """The fields that every policy has; a family's own type adds those that it depends on."""

    model_config = ConfigDict(frozen=True)

    input_features: dict[str, PolicyFeature]
    output_features: dict[str, PolicyFeature]

    @property
    def pictures(self) -> list[str]:
        """Names of the pictures in the network's order.

        Empty cameras are left out: their tokens are masked and have no place of their own, so that
        nothing changes without them.
        """
        visual = [name for name, one in self.input_features.items() if one.type == "VISUAL"]
        return [name for name in visual if _EMPTY not in name]

    @property
    def states(self) -> int:
        """Values of the state."""
        return self.input_features[STATE].shape[0]

    @property
    def actions(self) -> int:
        """Values of an action."""
        return self.output_features[ACTION].shape[0]


_Kind = TypeVar("_Kind", bound=PolicyConfig)


def read_policy_config(checkpoint: Checkpoint, kind: type[_Kind]) -> _Kind:
    """The fields of config.json that a family's type has.

    Raises:
        CheckpointError: a field is not what it should be, or a feature is missing.
    """
    where = checkpoint.path / CONFIG
    try:
        config = kind.model_validate(dict(checkpoint.config))
    except ValidationError as error:
        raise CheckpointError(
            f"{where} is not valid at {first_problem(error)}; copy the checkpoint again"
        ) from error
    for features, name in ((config.input_features, STATE), (config.output_features, ACTION)):
        if name not in features:
            raise CheckpointError(
                f"{where} lists no feature '{name}', which the policy needs; train it with one"
            )
    if not config.pictures:
        raise CheckpointError(f"{where} lists no picture; a policy without one is not imported")
    return config


@contextmanager
def valid_sizes(checkpoint: Checkpoint) -> Iterator[None]:
    """Around what makes a network's sizes of a checkpoint's and the user's.

    Raises:
        CheckpointError: one is not possible.
    """
    try:
        yield
    except ValidationError as error:
        raise CheckpointError(
            f"the sizes of {checkpoint.path} are not valid at {first_problem(error)}; give the "
            "network's sizes with --sizes FILE"
        ) from error
