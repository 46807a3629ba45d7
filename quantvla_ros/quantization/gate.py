# SPDX-License-Identifier: Apache-2.0
"""The gate: a quantized policy judged against its float policy before it may move an arm.

A flow policy answers one observation with many chunks, one for each noise. Where it stands before a
decision (to close the hand now, or a moment later) they lie far apart, and there the smallest error
of the weights turns one into another that is as good. So errors are held against how far the float
policy's own chunks of other noises lie apart, sample by sample, and no single sample decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from quantvla_ros.bundle.schema import BeyondSpread, GateRecord, MotionErrors
from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.quantization.motion_errors import (
    MotionPart,
    error_share,
    excess,
    jerk_ratio,
    largest_errors,
    mean_errors,
    motion_parts,
    own_spread,
)

if TYPE_CHECKING:
    from quantvla_ros.robot.action_space import ActionSpace

Array = NDArray[np.float64]


class UnitThresholds(NamedTuple):
    """The limits that have a unit: rad or m."""

    spread_floor: float
    chunk_max: float
    jerk_floor: float


class Thresholds(BaseModel):
    """Limits of `thresholds.yaml`, which says what each one means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error_share: float
    spread_floor: float
    spread_floor_m: float
    chunk_max: float
    chunk_max_m: float
    cosine: float
    gripper_flips: float
    jerk_ratio: float
    jerk_floor: float
    jerk_floor_m: float
    samples: int

    def of_unit(self, unit: Literal["rad", "m"]) -> UnitThresholds:
        """The limits for angles or for lengths."""
        if unit == "rad":
            return UnitThresholds(self.spread_floor, self.chunk_max, self.jerk_floor)
        return UnitThresholds(self.spread_floor_m, self.chunk_max_m, self.jerk_floor_m)


def load_thresholds() -> Thresholds:
    """The package's thresholds."""
    file = resources.files("quantvla_ros.quantization").joinpath("thresholds.yaml")
    return Thresholds.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Computed:
    """Where a quantized policy's chunks come from.

    Attributes:
        kernel: what computed them.
        target: machine that did.
        backend: whose kernel it is.
    """

    kernel: str
    target: str
    backend: str


def compare(
    draws: Array,
    quantized: Array,
    normalized: tuple[Array, Array],
    action: ActionSpace,
    dt: float,
    thresholds: Thresholds,
    computed: Computed,
) -> GateRecord:
    """Judge chunks of the quantized policy against those of the float policy.

    Args:
        draws: float chunks [draws, N, horizon, actions] in SI, each draw with another noise.
        quantized: [N, horizon, actions]: the same observations and the noise of the first draw.
        normalized: both again, as the networks put them out.
        action: what the actions are.
        dt: step of the chunk, s.
        thresholds: limits.
        computed: where the quantized chunks come from.

    Raises:
        CalibrationBufferError: fewer samples than the thresholds ask for.
    """
    reference, count = draws[0], len(quantized)
    if count < thresholds.samples:
        raise CalibrationBufferError(
            f"the gate needs {thresholds.samples} held-out samples and the buffer has {count}; "
            "record a larger buffer"
        )
    gripper = action.values_of_type("gripper")
    flips = _gripper_flips(normalized, gripper)
    per_action = np.abs(reference - quantized).mean(axis=(0, 1))
    record = GateRecord(
        passed=False,
        samples=count,
        motions=[
            _motion_errors(part, draws, quantized, dt, thresholds)
            for part in motion_parts(action, dt)
        ],
        cosine=float(1.0 - _cosine_errors(normalized[0][0], normalized[1]).mean()),
        gripper_flips=int(flips.sum()),
        gripper_commands=int(flips.size // count),
        mae_per_action={n: float(v) for n, v in zip(action.names, per_action, strict=True)},
        thresholds=thresholds.model_dump(),
        kernel=computed.kernel,
        target=computed.target,
        backend=computed.backend,
        beyond_spread=_beyond_spread(normalized, gripper, flips),
    )
    return record.model_copy(update={"passed": not failures(record)})


def _cosine_errors(a: Array, b: Array) -> Array:
    """1 - cosine [N] between chunks [N, horizon, actions]."""
    a, b = (x.reshape(len(x), -1) for x in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(1.0 - np.sum(a * b, 1) / lengths)


def _gripper_flips(
    normalized: tuple[Array, Array], gripper: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Commands [N, horizon, fingers] of another sign than in the first draw."""
    draws, quantized = (np.sign(x[..., gripper]) for x in normalized)
    return np.asarray(draws[0] != quantized)


def _motion_errors(
    part: MotionPart, draws: Array, quantized: Array, dt: float, thresholds: Thresholds
) -> MotionErrors:
    moved, got = part.positions(draws), part.positions(quantized)
    limits = thresholds.of_unit(part.unit)
    difference = np.abs(moved[0] - got)
    return MotionErrors(
        name=part.name,
        unit=part.unit,
        error_share=error_share(mean_errors(moved[0], got), own_spread(moved), limits.spread_floor),
        chunk_mae=float(difference.mean()),
        chunk_max=float(difference.max()),
        chunk_max_beyond=float(excess(largest_errors, moved, got).max()),
        jerk_ratio=jerk_ratio(moved[0], got, dt, limits.jerk_floor),
        limit=limits.chunk_max,
    )


def _beyond_spread(
    normalized: tuple[Array, Array], gripper: NDArray[np.bool_], flips: NDArray[np.bool_]
) -> BeyondSpread:
    draws = normalized[0]
    cosine = excess(_cosine_errors, *normalized)
    signs = np.sign(draws[..., gripper])
    agreed = (signs == signs[0]).all(axis=0)
    return BeyondSpread(
        draws=len(draws),
        cosine_error=float(cosine.mean()),
        gripper_flips=int((flips & agreed).sum()),
        worst_sample=int(cosine.argmax()),
        worst_cosine_error=float(cosine.max()),
    )


def failures(record: GateRecord) -> list[str]:
    """One phrase for each threshold that the record misses; not finite misses too."""
    limits, beyond, out = record.thresholds, record.beyond_spread, []
    own = " beyond the float policy's own spread"
    for motion in record.motions:
        for key, value, limit, where in (
            ("error_share", motion.error_share, limits["error_share"], ""),
            ("chunk_max", motion.chunk_max_beyond, motion.limit, f" {motion.unit}{own}"),
            ("jerk_ratio", motion.jerk_ratio, limits["jerk_ratio"], ""),
        ):
            if not value <= limit:
                out.append(f"{key} of {motion.name} {value:.4g}{where} is above {limit:.4g}")
    if not 1.0 - beyond.cosine_error >= limits["cosine"]:
        out.append(
            f"cosine {1.0 - beyond.cosine_error:.4f}{own} is below {limits['cosine']:.4f}, "
            f"held-out sample {beyond.worst_sample} has {1.0 - beyond.worst_cosine_error:.4f}"
        )
    for stage in record.stages:
        if not stage.error <= stage.limit:
            out.append(
                f"stage '{stage.name}' is {stage.error:.3g} from the reference in "
                f"'{stage.worst}', above {stage.limit:.3g}"
            )
    commands = record.samples * record.gripper_commands
    if commands and beyond.gripper_flips / commands > limits["gripper_flips"]:
        out.append(f"{beyond.gripper_flips} of {commands} gripper commands changed sign{own}")
    return out
