# SPDX-License-Identifier: Apache-2.0
"""The gate: a quantized policy judged against its float policy before it may move an arm.

A flow policy answers one observation with many chunks, one for each noise. Where it stands before a
decision (to close the hand now, or a moment later) they lie far apart, and there the smallest error
of the weights turns one into another that is as good. So errors are held against how far the float
policy's own chunks of other noises lie apart, sample by sample, and no single sample decides.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from quantvla_ros.bundle.schema import BeyondSpread, GateRecord
from quantvla_ros.errors import CalibrationBufferError

if TYPE_CHECKING:
    from quantvla_ros.robot.action_space import ActionSpace

Array = NDArray[np.float64]

LARGEST_SHARE = 2.0
"""Of a sample's error in the float policy's own spread; so far apart are two decisions."""


class Thresholds(BaseModel):
    """Limits of `thresholds.yaml`, which says what each one means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error_share: float
    spread_floor: float
    chunk_max: float
    cosine: float
    gripper_flips: float
    jerk_ratio: float
    jerk_floor: float
    samples: int


def load_thresholds(path: Path | None = None) -> Thresholds:
    """The package's thresholds, or those of another file."""
    text = (
        resources.files("quantvla_ros.quantization")
        .joinpath("thresholds.yaml")
        .read_text(encoding="utf-8")
        if path is None
        else path.read_text(encoding="utf-8")
    )
    return Thresholds.model_validate(yaml.safe_load(text))


def jerk(chunks: Array, dt: float) -> Array:
    """Mean squared second difference of the joint velocities over dt^4, [N] (rad/s^3)^2.

    Args:
        chunks: [N, horizon, joints] positions, rad.
        dt: step, s.
    """
    third = np.diff(chunks, n=3, axis=1) / dt**3
    return np.asarray(np.sum(third**2, axis=-1).mean(axis=1))


def compare(
    draws: Array,
    quantized: Array,
    normalized: tuple[Array, Array],
    action: ActionSpace,
    dt: float,
    thresholds: Thresholds,
    kernel: str,
    cpu: str,
    backend: str,
) -> GateRecord:
    """Judge chunks of the quantized policy against those of the float policy.

    Args:
        draws: float chunks [draws, N, horizon, actions] in the robot's units, each draw with
            another noise.
        quantized: [N, horizon, actions]: the same observations and the noise of the first draw.
        normalized: both again, as the networks put them out.
        action: names and units of the actions.
        dt: step of the chunk, s.
        thresholds: limits.
        kernel: what computed the quantized chunks.
        cpu: kind of machine that did.
        backend: whose kernel it is.

    Raises:
        CalibrationBufferError: fewer samples than the thresholds ask for.
    """
    reference, count = draws[0], len(quantized)
    if count < thresholds.samples:
        raise CalibrationBufferError(
            f"the gate needs {thresholds.samples} held-out samples and the buffer has {count}; "
            "record a larger buffer"
        )
    arm = np.array([unit == "rad" for unit in action.units])
    difference = np.abs(reference - quantized)
    flips = _gripper_flips(normalized, arm)
    after, before = (
        np.maximum(jerk(chunks[..., arm], dt), thresholds.jerk_floor**2)
        for chunks in (quantized, reference)
    )
    per_joint = difference.mean(axis=(0, 1))
    record = GateRecord(
        passed=False,
        samples=count,
        error_share=error_share(
            mean_errors(reference[..., arm], quantized[..., arm]),
            own_spread(draws[..., arm]),
            thresholds.spread_floor,
        ),
        chunk_mae=float(difference[..., arm].mean()),
        chunk_max=float(difference[..., arm].max()),
        cosine=float(1.0 - _cosine_errors(normalized[0][0], normalized[1]).mean()),
        gripper_flips=int(flips.sum()),
        gripper_commands=int(flips.size // count),
        jerk_ratio=float(np.exp(np.log(after / before).mean())),
        mae_per_action={n: float(v) for n, v in zip(action.names, per_joint, strict=True)},
        thresholds=thresholds.model_dump(),
        kernel=kernel,
        cpu=cpu,
        backend=backend,
        beyond_spread=_beyond_spread(draws, quantized, normalized, arm, flips),
    )
    return record.model_copy(update={"passed": not failures(record)})


def _cosine_errors(a: Array, b: Array) -> Array:
    """1 - cosine [N] between chunks [N, horizon, actions]."""
    a, b = (x.reshape(len(x), -1) for x in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(1.0 - np.sum(a * b, 1) / lengths)


def _largest_errors(a: Array, b: Array) -> Array:
    """Largest difference [N] between chunks [N, horizon, joints]."""
    return np.asarray(np.abs(a - b).max(axis=(1, 2)))


def _gripper_flips(normalized: tuple[Array, Array], arm: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Commands [N, horizon, fingers] of another sign than in the first draw."""
    draws, quantized = (np.sign(x[..., ~arm]) for x in normalized)
    return np.asarray(draws[0] != quantized)


def mean_errors(a: Array, b: Array) -> Array:
    """Mean difference [N] between chunks [N, horizon, joints]."""
    return np.asarray(np.abs(a - b).mean(axis=(1, 2)))


def own_spread(draws: Array) -> Array:
    """Mean difference [N] of two chunks of the float policy, from `draws` [draws, N, ...]."""
    return np.asarray(np.mean([mean_errors(*pair) for pair in combinations(draws, 2)], axis=0))


def error_share(errors: Array, spread: Array, floor: float) -> float:
    """Error of a typical sample as a share of what another noise would change.

    A sample on which the quantized policy decides otherwise counts as `LARGEST_SHARE`, however far
    apart the two decisions lie.

    Args:
        errors: mean difference [N] between the chunks of float and quantized policy.
        spread: `own_spread` [N], in the same unit.
        floor: a smaller spread counts as this one.
    """
    return float(np.minimum(errors / np.maximum(spread, floor), LARGEST_SHARE).mean())


def _beyond_spread(
    draws: Array,
    quantized: Array,
    normalized: tuple[Array, Array],
    arm: NDArray[np.bool_],
    flips: NDArray[np.bool_],
) -> BeyondSpread:
    cosine = _excess(_cosine_errors, *normalized)
    signs = np.sign(normalized[0][..., ~arm])
    agreed = (signs == signs[0]).all(axis=0)
    return BeyondSpread(
        draws=len(draws),
        cosine_error=float(cosine.mean()),
        chunk_max=float(_excess(_largest_errors, draws[..., arm], quantized[..., arm]).max()),
        gripper_flips=int((flips & agreed).sum()),
        worst_sample=int(cosine.argmax()),
        worst_cosine_error=float(cosine.max()),
    )


def _excess(distance: Callable[[Array, Array], Array], draws: Array, quantized: Array) -> Array:
    """By how much [N] the quantized chunks are further from the first draw than any two draws."""
    spread = np.zeros(len(quantized))
    for draw, other in combinations(draws, 2):
        spread = np.maximum(spread, distance(draw, other))
    return np.maximum(distance(draws[0], quantized) - spread, 0.0)


def failures(record: GateRecord) -> list[str]:
    """One phrase for each threshold that the record misses; not finite misses too."""
    limits, beyond, out = record.thresholds, record.beyond_spread, []
    own = " beyond the float policy's own spread"
    for key, value, where in (
        ("chunk_mae", record.chunk_mae, ""),  # of bundles that were judged by it
        ("error_share", record.error_share, ""),
        ("chunk_max", beyond.chunk_max, own),
        ("jerk_ratio", record.jerk_ratio, ""),
    ):
        if key in limits and not (value is not None and value <= limits[key]):
            out.append(f"{key} {value:.4g}{where} is above {limits[key]:.4g}")
    if not 1.0 - beyond.cosine_error >= limits["cosine"]:
        out.append(
            f"cosine {1.0 - beyond.cosine_error:.4f}{own} is below {limits['cosine']:.4f}, "
            f"held-out sample {beyond.worst_sample} has {1.0 - beyond.worst_cosine_error:.4f}"
        )
    commands = record.samples * record.gripper_commands
    if commands and beyond.gripper_flips / commands > limits["gripper_flips"]:
        out.append(f"{beyond.gripper_flips} of {commands} gripper commands changed sign{own}")
    return out
