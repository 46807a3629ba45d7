# SPDX-License-Identifier: Apache-2.0
"""Where samples come from and what they must meet: the model of `config/calibration.yaml`."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.validation import first_problem

MINIMUM_SAMPLES = 16
"""Fewer samples calibrate nothing: a quarter of them is held out to judge the result."""

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
JOINT_STATE_TYPE = "sensor_msgs/msg/JointState"
STRING_TYPE = "std_msgs/msg/String"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraSource(_Model):
    """One camera: its topic (Image or CompressedImage) and limits in s.

    A frame is compared with the frame of the first camera: `max_skew_s` bounds the difference of
    their stamps. `max_age_s` bounds how far it lies behind the newest stamp of all sources.
    """

    topic: str = Field(pattern="^/")
    max_age_s: float = Field(default=0.5, gt=0)
    max_skew_s: float = Field(default=0.06, gt=0)


class JointSource(_Model):
    """The joint states: topic, the joints of a sample in their order, limits as of a camera."""

    topic: str = Field(default="/joint_states", pattern="^/")
    names: list[str] = Field(min_length=1)
    max_age_s: float = Field(default=0.2, gt=0)
    max_skew_s: float = Field(default=0.06, gt=0)


class InstructionSource(_Model):
    """The instruction: it has no stamp; the newest one counts until the next."""

    topic: str = Field(default="/instruction", pattern="^/")


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
    min_samples: int = Field(default=MINIMUM_SAMPLES, ge=MINIMUM_SAMPLES)
    candidates_per_sample: float = Field(default=3.0, ge=1)
    first_message_timeout_s: float = Field(default=10.0, gt=0)

    @property
    def reference(self) -> str:
        """Name of the camera whose frames set the groups' times."""
        return next(iter(self.cameras))

    def topics(self) -> dict[str, tuple[str, ...]]:
        """Every topic with the message types it may carry."""
        wanted: dict[str, tuple[str, ...]] = {c.topic: IMAGE_TYPES for c in self.cameras.values()}
        wanted[self.joint_states.topic] = (JOINT_STATE_TYPE,)
        wanted[self.instruction.topic] = (STRING_TYPE,)
        return wanted


def load_config(path: Path) -> CalibrationConfig:
    """Read a calibration configuration.

    Raises:
        QuantVLAError: the file is missing, is not YAML, or a field is wrong (the first is named).
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise QuantVLAError(f"Cannot read the configuration '{path}': {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise QuantVLAError(f"The configuration '{path}' is not valid YAML: {error}.") from error
    try:
        config = CalibrationConfig.model_validate(content)
    except ValidationError as error:
        raise QuantVLAError(f"In '{path}', {first_problem(error)}.") from error
    if len(config.topics()) < len(config.cameras) + 2:
        raise QuantVLAError(f"In '{path}', two sources name the same topic.")
    return config
