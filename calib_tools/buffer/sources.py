# SPDX-License-Identifier: Apache-2.0
"""Where samples come from and what they must meet: the model of `config/calibration.yaml`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from calib_tools.common.yaml_file import read_yaml
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.validation import first_problem

MINIMUM_SAMPLES = 32
"""The fewest samples of a buffer, for all commands: every fourth is held out, and the gate judges
on eight of those."""

JOINTS, INSTRUCTION = "joint states", "instruction"
"""Names of two sources; the cameras have names of their own beside them."""

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
JOINT_STATE_TYPE = "sensor_msgs/msg/JointState"
STRING_TYPE = "std_msgs/msg/String"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Topic = Annotated[str, Field(pattern="^(/[A-Za-z_][A-Za-z0-9_]*)+$")]
_Seconds = Annotated[float, Field(gt=0, le=1e6)]


class CameraSource(_Model):
    """One camera: its topic (Image or CompressedImage) and limits in s.

    A frame is compared with the frame of the first camera: `max_skew_s` bounds the difference of
    their stamps. `max_age_s` bounds how far it lies behind the newest stamp of all sources.
    """

    topic: _Topic
    max_age_s: _Seconds = 0.5
    max_skew_s: _Seconds = 0.06


class JointSource(_Model):
    """The joint states: topic, the joints of a sample in their order, limits as of a camera.

    `max_velocity` (rad/s or m/s) is beyond what any joint can do: positions that are further apart
    are those of two sources, or of a robot that was put elsewhere. `policy_names` holds what
    policies call a joint, where that is another name.
    """

    topic: _Topic = "/joint_states"
    names: list[str] = Field(min_length=1)
    max_age_s: _Seconds = 0.2
    max_skew_s: _Seconds = 0.06
    max_velocity: float = Field(default=10.0, gt=0)
    policy_names: dict[str, str] = {}

    @field_validator("names")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name.strip():
                raise ValueError("a joint has no name")
            if names.count(name) > 1:
                raise ValueError(f"joint '{name}' is named twice")
        return names


class InstructionSource(_Model):
    """The instruction: it has no stamp; the newest one counts until the next."""

    topic: _Topic = "/instruction"


class NearDuplicate(_Model):
    """A group that differs by less than both from a kept one adds nothing and is dropped.

    Attributes:
        joints: largest difference of a joint, rad or m.
        image: mean absolute difference of the pictures' thumbnails, 0 to 1.
    """

    joints: float = Field(default=0.01, ge=0)
    image: float = Field(default=0.01, ge=0)


class CalibrationConfig(_Model):
    """Sources and selection of a calibration buffer.

    Attributes:
        cameras: name in the policy -> source. The first camera's frames set the groups' times.
        joint_states: see `JointSource`.
        instruction: see `InstructionSource`.
        near_duplicate: see `NearDuplicate`.
        min_samples: fewer than these are refused and nothing is written.
        candidates_per_sample: recording goes on until so many different groups a wanted sample
            are there; the samples are then spread over them.
        first_message_timeout_s: longest wait for the first message of a topic.
    """

    cameras: dict[str, CameraSource] = Field(min_length=1)
    joint_states: JointSource
    instruction: InstructionSource = InstructionSource()
    near_duplicate: NearDuplicate = NearDuplicate()
    min_samples: int = Field(default=MINIMUM_SAMPLES, ge=1)  # old buffers hold less than now
    candidates_per_sample: float = Field(default=3.0, ge=1)
    first_message_timeout_s: _Seconds = 10.0

    @field_validator("cameras")
    @classmethod
    def _own_names(cls, cameras: dict[str, CameraSource]) -> dict[str, CameraSource]:
        for name in cameras:
            if not name.strip():
                raise ValueError("a camera has no name")
            if name in (JOINTS, INSTRUCTION):
                raise ValueError(
                    f"'{name}' is the name of another source; name the camera as the bundle does"
                )
        return cameras

    @property
    def reference(self) -> str:
        """Name of the camera whose frames set the groups' times."""
        return next(iter(self.cameras))

    def without(self, topics: Collection[str]) -> CalibrationConfig:
        """The same without the cameras of these topics."""
        left = {name: c for name, c in self.cameras.items() if c.topic not in topics}
        return self.model_copy(update={"cameras": left})

    def topics(self) -> dict[str, tuple[str, ...]]:
        """Every topic with the message types it may carry."""
        wanted: dict[str, tuple[str, ...]] = {c.topic: IMAGE_TYPES for c in self.cameras.values()}
        wanted[self.joint_states.topic] = (JOINT_STATE_TYPE,)
        wanted[self.instruction.topic] = (STRING_TYPE,)
        return wanted


def stored_topic(topic: str) -> str:
    """Name of a camera's topic in a buffer, by image_transport's convention."""
    return topic if topic.endswith("/compressed") else f"{topic}/compressed"


def load_config(path: Path) -> CalibrationConfig:
    """Read a calibration configuration.

    Raises:
        QuantVLAError: the file is missing, is not YAML, or a field is wrong (the first is named).
    """
    content = read_yaml(path, "configuration")
    try:
        config = CalibrationConfig.model_validate(content)
    except ValidationError as error:
        raise QuantVLAError(f"In '{path}', {first_problem(error)}.") from error
    if config.min_samples < MINIMUM_SAMPLES:
        raise QuantVLAError(
            f"In '{path}', min_samples: {config.min_samples} samples are too few to quantize; "
            f"give at least {MINIMUM_SAMPLES}, or leave the line out."
        )
    sources = [(name, camera.topic) for name, camera in config.cameras.items()]
    sources += [(JOINTS, config.joint_states.topic), (INSTRUCTION, config.instruction.topic)]
    taken: dict[str, str] = {}
    for name, topic in sources:
        stored = stored_topic(topic) if name in config.cameras else topic
        for one in (topic, stored):
            if taken.setdefault(one, name) != name:
                raise QuantVLAError(
                    f"In '{path}', two sources name the same topic: '{taken[one]}' and '{name}' "
                    f"both '{one}'."
                )
    return config
