# SPDX-License-Identifier: Apache-2.0
"""What `bundle.yaml` holds: the interface to the robot and how the weights were made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from quantvla_ros.bundle.calibration import Calibration

KNOWN_SCHEMA_VERSIONS = (1,)

Vector3 = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


def _unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} '{twice[0]}' is listed twice")


def _length(what: str, values: list[Any], expected: int) -> None:
    if len(values) != expected:
        raise ValueError(f"{what} has {len(values)} entries, expected {expected}")


class CameraSpec(_Model):
    """One camera slot: the size of the pictures that the policy was trained on, in pixels.

    The robot's camera may have any size; the policy also runs without an `optional` one.
    """

    name: str
    encoding: Literal["rgb8"]
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    optional: bool = False


class KinematicJoint(_Model):
    """One joint of a URDF chain: `xyz` in m, `rpy` in rad (fixed axes), both in the parent link.

    `name` is None exactly for a fixed joint; `axis` is a unit vector in the joint's frame.
    """

    name: str | None
    type: Literal["revolute", "prismatic", "fixed"]
    xyz: Vector3
    rpy: Vector3
    axis: Vector3

    @model_validator(mode="after")
    def _moving_joints_are_named(self) -> KinematicJoint:
        if (self.name is None) != (self.type == "fixed"):
            raise ValueError("a joint has a name exactly when it moves")
        return self


class Kinematics(_Model):
    """The chain from link `base` to link `tip`, base first."""

    base: str
    tip: str
    joints: list[KinematicJoint]


class StateSpec(_Model):
    """The proprioception; the tip's position (m, base frame) is appended with `kinematics`."""

    names: list[str] = Field(min_length=1)
    units: list[str]
    kinematics: Kinematics | None

    @model_validator(mode="after")
    def _consistent(self) -> StateSpec:
        _unique("state", self.names)
        _length("state.units", self.units, len(self.names))
        for joint in self.kinematics.joints if self.kinematics else []:
            if joint.name is not None and joint.name not in self.names:
                raise ValueError(f"kinematics needs joint '{joint.name}', which is no state")
        return self

    @property
    def size(self) -> int:
        """Length of the state vector: the joints and, with kinematics, the tip's position."""
        return len(self.names) + (3 if self.kinematics else 0)


TWIST_NAMES = ("linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z")
_TWIST_UNITS = (["m/s"] * 3 + ["rad/s"] * 3, ["m"] * 3 + ["rad"] * 3)


class ActionSpec(_Model):
    """The actions; `relative[i]`: the policy puts out an offset from the observed state.

    A chunk of `joint_position` or `joint_delta` says where joints are to be: the latter has offsets
    from the observed state. One of `ee_delta` says how the tip moves: its first six actions are
    `TWIST_NAMES`, as a velocity (m/s, rad/s) or as a way in one step (m, rad); a seventh is the
    position of a gripper's joint.
    """

    names: list[str] = Field(min_length=1)
    units: list[str]
    kind: Literal["joint_position", "joint_delta", "ee_delta"]
    relative: list[bool]

    @model_validator(mode="after")
    def _consistent(self) -> ActionSpec:
        _unique("action", self.names)
        _length("action.units", self.units, len(self.names))
        _length("action.relative", self.relative, len(self.names))
        if (self.kind == "joint_delta") != any(self.relative):
            raise ValueError(
                "action.relative marks offsets exactly when action.kind is joint_delta"
            )
        if self.kind == "ee_delta" and (
            tuple(self.names[:6]) != TWIST_NAMES
            or len(self.names) > 7
            or self.units[:6] not in _TWIST_UNITS
        ):
            raise ValueError(
                f"actions of kind ee_delta are {', '.join(TWIST_NAMES)} in m/s and rad/s or in m "
                "and rad, and at most a gripper's joint after them"
            )
        return self

    @property
    def joints(self) -> list[str]:
        """The actions that are joints: all of them, or the gripper of an end-effector policy."""
        return self.names[6:] if self.kind == "ee_delta" else self.names


class Interface(_Model):
    """What the policy observes and commands; `dt` is the step of a chunk, s."""

    cameras: list[CameraSpec] = Field(min_length=1)
    state: StateSpec
    action: ActionSpec
    dt: FiniteFloat = Field(gt=0)
    horizon: int = Field(gt=0)

    @model_validator(mode="after")
    def _cameras_differ(self) -> Interface:
        _unique("camera", [camera.name for camera in self.cameras])
        return self


class Normalization(_Model):
    """Means and standard deviations: state [n], action [horizon][actions]."""

    state_mean: list[FiniteFloat]
    state_std: list[Annotated[FiniteFloat, Field(gt=0)]]
    action_mean: list[list[FiniteFloat]]
    action_std: list[list[Annotated[FiniteFloat, Field(gt=0)]]]


class NoiseSpec(_Model):
    """Where the flow starts."""

    distribution: Literal["normal"]
    scale: FiniteFloat = Field(gt=0)


class TokenizerSpec(_Model):
    """Tokens an instruction is cut or padded to."""

    max_length: int = Field(gt=0)


class LayerRecord(_Model):
    """One linear layer and how it is held and computed.

    Integer layers: `group` inputs share a weight scale (None: one per output channel);
    `activation` says how the input is quantized; `rotation` is the block of the Hadamard transform
    of the input (None: no transform).
    """

    name: str
    role: str
    precision: Literal["float", "int8", "int4"]
    rows: int = Field(gt=0)
    cols: int = Field(gt=0)
    group: int | None = Field(default=None, gt=0)
    activation: Literal["dynamic", "static", "float"] | None = None
    rotation: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _integer_layers_say_how(self) -> LayerRecord:
        if (self.precision == "float") != (self.activation is None):
            raise ValueError(
                f"layer '{self.name}' has an activation exactly when its weights are integers"
            )
        return self


class Quantization(_Model):
    """How the integer weights were made.

    `scheme` is "mixed" where layers differ in their bits; the layers' records say which is which.
    `activation_bits` is the grid of all integer activations. `keep_float` holds the patterns of
    layers that were taken out of the layout. `alpha` (per attention, a temperature per head) and
    `beta` (per attention) are already folded into the weights; `kept` names the ones that lowered
    the error, as "alpha:<layer>:<head>", "alpha:<layer>" (one for all heads; in older bundles, all
    heads at once) or "beta:<layer>".
    """

    scheme: Literal["w8a8", "w4a8", "w8a16", "w4a16", "mixed"]
    layout: str
    keep_float: list[str] = []
    activation_bits: Literal[7, 8]
    layers: list[LayerRecord]
    alpha: dict[str, list[float]]
    beta: dict[str, float]
    kept: list[str]
    calibration_sha256: str


class BeyondSpread(_Model):
    """What is left of a quantized policy's errors beyond the float policy's own spread.

    The spread of a held-out sample is the largest distance between any two of `draws` chunks of
    the float policy, each from another noise. `cosine_error` is the mean over the samples of the
    excess of 1 - cosine, `chunk_max` the largest excess in rad; `gripper_flips` counts the commands
    that all draws give the same sign and the quantized policy another. `worst_sample` has the
    largest excess of 1 - cosine, `worst_cosine_error`; samples are counted from 0.
    """

    draws: int
    cosine_error: float
    chunk_max: float
    gripper_flips: int
    worst_sample: int
    worst_cosine_error: float


class GateRecord(_Model):
    """The judgement of a quantized policy against its float policy on held-out samples.

    `error_share` is the mean over the samples of their chunk error as a share of the float policy's
    own spread (None in older bundles, which were judged by `chunk_mae`). Chunk errors are in rad
    over the arm's joints; `gripper_flips` counts commands whose sign changed, of
    `samples * gripper_commands`; `mae_per_action` is in each action's own unit; `kernel` of
    `backend` computed the quantized chunks on the machine `cpu`, as that backend calls it.
    """

    passed: bool
    samples: int
    error_share: float | None = None
    chunk_mae: float
    chunk_max: float
    cosine: float
    gripper_flips: int
    gripper_commands: int
    jerk_ratio: float
    mae_per_action: dict[str, float]
    thresholds: dict[str, float]
    beyond_spread: BeyondSpread
    backend: str = "cpu"
    kernel: str
    cpu: str = ""


class BundleManifest(_Model):
    """All of `bundle.yaml`; `files` maps the name of every other file to its sha256.

    `calibration` is None in a float bundle and in older quantized ones.
    """

    schema_version: Literal[1]
    family: Literal["pi05"]
    architecture: dict[str, Any]
    interface: Interface
    normalization: Normalization
    noise: NoiseSpec
    denoise_steps: int = Field(gt=0)
    tokenizer: TokenizerSpec
    quantization: Quantization | None
    gate: GateRecord | None
    calibration: Calibration | None = None
    files: dict[str, str]

    @model_validator(mode="after")
    def _normalization_fits(self) -> BundleManifest:
        state, norm = self.interface.state, self.normalization
        _length("normalization.state_mean", norm.state_mean, state.size)
        _length("normalization.state_std", norm.state_std, state.size)
        for name, rows in (("action_mean", norm.action_mean), ("action_std", norm.action_std)):
            _length(f"normalization.{name}", rows, self.interface.horizon)
            for row in rows:
                _length(f"a row of normalization.{name}", row, len(self.interface.action.names))
        return self
