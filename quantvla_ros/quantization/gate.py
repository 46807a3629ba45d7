# SPDX-License-Identifier: Apache-2.0
"""The gate: a quantized policy judged against its float policy before it may move an arm."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from quantvla_ros.bundle.schema import GateRecord
from quantvla_ros.errors import CalibrationBufferError

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import ActionSpec

Array = NDArray[np.float64]


class Thresholds(BaseModel):
    """Limits of `thresholds.yaml`, which says what each one means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_mae: float
    chunk_max: float
    cosine: float
    gripper_flips: float
    jerk_ratio: float
    jerk_floor: float
    samples: int


def load_thresholds(path: Path | None = None) -> Thresholds:
    """The package's thresholds, or those of another file."""
    text = (
        resources.files("quantvla_ros.quantization").joinpath("thresholds.yaml").read_text()
        if path is None
        else path.read_text()
    )
    return Thresholds.model_validate(yaml.safe_load(text))


def jerk(chunks: Array, dt: float) -> float:
    """Mean squared second difference of the joint velocities over dt^4, (rad/s^3)^2.

    Args:
        chunks: [N, horizon, joints] positions, rad.
        dt: step, s.
    """
    third = np.diff(chunks, n=3, axis=1) / dt**3
    return float(np.mean(np.sum(third**2, axis=-1)))


def compare(
    reference: Array,
    quantized: Array,
    normalized: tuple[Array, Array],
    action: ActionSpec,
    dt: float,
    thresholds: Thresholds,
    kernel: str,
    cpu: str,
) -> GateRecord:
    """Judge chunks of the quantized policy against those of the float policy.

    Args:
        reference: float chunks [N, horizon, actions] in the robot's units.
        quantized: the same observations and noise.
        normalized: both again, as the networks put them out.
        action: names and units of the actions.
        dt: step of the chunk, s.
        thresholds: limits.
        kernel: what computed the quantized chunks.
        cpu: kind of CPU that did.

    Raises:
        CalibrationBufferError: fewer samples than the thresholds ask for.
    """
    count = len(reference)
    if count < thresholds.samples:
        raise CalibrationBufferError(
            f"the gate needs {thresholds.samples} held-out samples and the buffer has {count}; "
            "record a larger buffer"
        )
    arm = np.array([unit == "rad" for unit in action.units])
    difference = np.abs(reference - quantized)
    a, b = (x.reshape(count, -1) for x in normalized)
    cosine = np.sum(a * b, 1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    gripper_a, gripper_b = (x[..., ~arm] for x in normalized)
    flips = np.sign(gripper_a) != np.sign(gripper_b)
    after, before = (
        max(jerk(chunks[..., arm], dt), thresholds.jerk_floor**2)
        for chunks in (quantized, reference)
    )
    values = {
        "chunk_mae": float(difference[..., arm].mean()),
        "chunk_max": float(difference[..., arm].max()),
        "cosine": float(cosine.mean()),
        "gripper_flips": int(flips.sum()),
        "jerk_ratio": after / before,
    }
    per_joint = difference.mean(axis=(0, 1))
    record = GateRecord(
        passed=False,
        samples=count,
        gripper_commands=int(flips.size // count),
        kernel=kernel,
        cpu=cpu,
        worst_sample=int(cosine.argmin()),
        worst_cosine=float(cosine.min()),
        mae_per_action={n: float(v) for n, v in zip(action.names, per_joint, strict=True)},
        thresholds=thresholds.model_dump(),
        **values,
    )
    return record.model_copy(update={"passed": not failures(record)})


def failures(record: GateRecord) -> list[str]:
    """One phrase for each threshold that the record misses; not finite misses too."""
    limits = record.thresholds
    out = []
    for key in ("chunk_mae", "chunk_max", "jerk_ratio"):
        if not getattr(record, key) <= limits[key]:
            out.append(f"{key} {getattr(record, key):.4g} is above {limits[key]:.4g}")
    if not record.cosine >= limits["cosine"]:
        out.append(f"cosine {record.cosine:.4f} is below {limits['cosine']:.4f}")
        # One sample in which the float policy itself wavers can be all of it.
        if record.worst_cosine is not None:
            out[-1] += f", held-out sample {record.worst_sample} has {record.worst_cosine:.4f}"
    commands = record.samples * record.gripper_commands
    if commands and record.gripper_flips / commands > limits["gripper_flips"]:
        out.append(f"{record.gripper_flips} of {commands} gripper commands changed sign")
    return out
