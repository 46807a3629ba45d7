# SPDX-License-Identifier: Apache-2.0
"""What `bundle.yaml` holds: the interface to the robot and how the weights were made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from quantvla_ros.bundle.calibration import Calibration, Positive
from quantvla_ros.bundle.contract import Contract
from quantvla_ros.bundle.normalization import Normalization as Normalization
from quantvla_ros.robot.interface import Interface

KNOWN_SCHEMA_VERSIONS = (2,)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class NoiseSpec(_Model):
    """Where the flow starts.

    `scale` is 0 where a policy draws no noise: its one step leads from anywhere to the chunk.
    `rows` is what the network takes where it takes more than the chunk has: the rest was never
    trained, but attention sees it.
    """

    distribution: Literal["normal"]
    scale: FiniteFloat = Field(ge=0)
    rows: int | None = Field(default=None, gt=0, exclude_if=lambda rows: rows is None)


class TokenizerSpec(_Model):
    """How a prompt becomes tokens.

    Attributes:
        max_length: tokens that it is cut or padded to.
        pad: token that it is padded with; else what tokenizer.json calls ``<pad>``.
        room: tokens that an instruction may have, where the prompt around it needs the others.
        reads: whether the policy reads instructions at all; one that does not does the one thing
            that it was trained for, whatever it is told.
    """

    max_length: int = Field(gt=0)
    pad: str | None = Field(default=None, exclude_if=lambda token: token is None)
    room: int | None = Field(default=None, gt=0, exclude_if=lambda count: count is None)
    reads: bool = Field(default=True, exclude_if=lambda reads: reads)


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
    `beta` (per attention) are already folded into the weights; `corrections_kept` names the ones
    that lowered the error, as "alpha:<layer>:<head>", "alpha:<layer>" (one for all heads) or
    "beta:<layer>". `largest` is the largest magnitude in each part of the network that calibration
    saw, where ranges are static: what a compiled engine's kind of float must hold.
    """

    scheme: Literal["w8a8", "w4a8", "w8a16", "w4a16", "mixed"]
    layout: str
    keep_float: list[str] = []
    activation_bits: Literal[7, 8]
    layers: list[LayerRecord]
    alpha: dict[str, list[float]]
    beta: dict[str, float]
    corrections_kept: list[str]
    calibration_sha256: str
    largest: dict[str, Positive] = Field(default={}, exclude_if=lambda known: not known)


class BeyondSpread(_Model):
    """What is left of a quantized policy's errors beyond the float policy's own spread.

    The spread of a held-out sample is the largest distance between any two of `draws` chunks of
    the float policy, each from another noise. `cosine_error` is the mean over the samples of the
    excess of 1 - cosine; `gripper_flips` counts the commands that all draws give the same sign and
    the quantized policy another. `worst_sample` has the largest excess of 1 - cosine,
    `worst_cosine_error`; samples are counted from 0.
    """

    draws: int
    cosine_error: float
    gripper_flips: int
    worst_sample: int
    worst_cosine_error: float


class MotionErrors(_Model):
    """How far the motion of one group lies from the float policy's, in `unit`.

    `error_share` is the mean over the samples of their error as a share of the float policy's own
    spread; `chunk_mae` is the mean and `chunk_max` the largest error, `chunk_max_beyond` what the
    largest has beyond that spread, at most `limit`.
    """

    name: str
    unit: Literal["rad", "m"]
    error_share: float
    chunk_mae: float
    chunk_max: float
    chunk_max_beyond: float
    jerk_ratio: float
    limit: float


class StageErrors(_Model):
    """How far a stage of an engine lies from the reference's integers, given the same inputs.

    `error` is the largest relative error (root mean square) of the stage's outputs, in `worst`;
    `quantization` is what rounding to integers itself changed there, the reference against float;
    `error` is at most `limit`.
    """

    name: str
    worst: str
    error: float
    quantization: float
    limit: float


class GateRecord(_Model):
    """The judgement of a quantized policy against its float policy on held-out samples.

    `motions` has each arm and each tip; `gripper_flips` counts commands whose sign changed, of
    `samples * gripper_commands`; `mae_per_action` is in SI; `kernel` of `backend` computed the
    quantized chunks on the machine `target`, as that backend calls it; `stages` are judged where
    it computes by engines.
    """

    passed: bool
    samples: int
    motions: list[MotionErrors]
    cosine: float
    gripper_flips: int
    gripper_commands: int
    mae_per_action: dict[str, float]
    thresholds: dict[str, float]
    beyond_spread: BeyondSpread
    backend: str
    kernel: str
    target: str
    stages: list[StageErrors] = []

    @property
    def worst(self) -> MotionErrors | None:
        """The motion with the largest share of the float policy's own spread, if anything moves."""
        return max(self.motions, key=lambda motion: motion.error_share, default=None)


class BundleManifest(_Model):
    """All of `bundle.yaml`; `files` maps the name of every other file to its sha256.

    `family` names the kind of network, `architecture` holds its sizes. `quantization`, `gate` and
    `calibration` are None in a float bundle. `contract` is of imported ones.
    """

    schema_version: Literal[2]
    family: str = Field(min_length=1)
    architecture: dict[str, Any]
    interface: Interface
    normalization: Normalization
    noise: NoiseSpec
    denoise_steps: int = Field(gt=0)
    tokenizer: TokenizerSpec
    quantization: Quantization | None
    gate: GateRecord | None
    calibration: Calibration | None = None
    contract: Contract | None = Field(default=None, exclude_if=lambda known: known is None)
    files: dict[str, str]

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Rows and columns of the chunk that the network takes; see `NoiseSpec`."""
        return self.noise.rows or self.interface.horizon, self.interface.action.width

    @model_validator(mode="after")
    def _normalization_fits(self) -> BundleManifest:
        spec = self.interface
        self.normalization.check_fits(spec.state.size, spec.horizon, len(spec.action.values))
        if self.noise.rows is not None and self.noise.rows < spec.horizon:
            raise ValueError(f"noise.rows is {self.noise.rows}, below the horizon {spec.horizon}")
        return self


def float_manifest(
    family: str,
    architecture: dict[str, Any],
    interface: Interface,
    normalization: Normalization,
    denoise_steps: int,
    tokenizer: TokenizerSpec,
) -> BundleManifest:
    """The manifest of a float policy whose chunks begin as standard normal noise.

    Args:
        family: its name.
        architecture: sizes of its network.
        interface: of the robot.
        normalization: of state and actions.
        denoise_steps: of the flow.
        tokenizer: how an instruction becomes tokens.
    """
    return BundleManifest(
        schema_version=2,
        family=family,
        architecture=architecture,
        interface=interface,
        normalization=normalization,
        noise=NoiseSpec(distribution="normal", scale=1.0),
        denoise_steps=denoise_steps,
        tokenizer=tokenizer,
        quantization=None,
        gate=None,
        files={},
    )
