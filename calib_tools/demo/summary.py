# SPDX-License-Identifier: Apache-2.0
"""summary.json: the figures of one demo run, all measured in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from calib_tools.bench.floats import FLOAT, INT8, OURS_TOLD, fastest_told
from calib_tools.common.circumstances import versions
from calib_tools.common.setpoints import Shares
from calib_tools.system.episodes import Episode
from quantvla_ros.bundle.schema import BundleManifest, GateRecord

SCHEMA = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CalibrationSize(_Model):
    """Samples that calibrated, and samples that only judged."""

    samples: int
    held_out: int


class GateFigures(_Model):
    """The judgement of INT8 against float; `chunk_mae` in rad, the others without a unit."""

    passed: bool
    error_share: float
    chunk_mae: float
    cosine: float
    gripper_flips: int
    jerk_ratio: float


class Percentiles(_Model):
    """Of latency, ms."""

    p50: float
    p95: float
    p99: float


class Latencies(_Model):
    """All policies, measured in turn.

    Attributes:
        float_compiled: by this package; in records of before, compiled by PyTorch. Readers know it
            by this key, so it keeps it.
        int8: of the quantized policy.
        fastest_float: of the fastest float runtime that was there; None in records of before, which
            have one float.
    """

    float_compiled: Percentiles
    int8: Percentiles
    fastest_float: Percentiles | None = None


class WeightBytes(_Model):
    """Bytes of the tensors that the loaded backends hold."""

    float: int
    int8: int
    quantized_part_float: int
    quantized_part_int8: int


class Jitter(_Model):
    """Distance of the publishing intervals from the period, ms."""

    p50: float
    p99: float
    max: float


class Control(_Model):
    """What the INT8 policy's node published.

    Ratios are of the trajectory controller's setpoints, as heard while the policy moved the robot.
    """

    rate_hz: float
    published: int
    jitter_ms: Jitter
    max_velocity_ratio: float
    max_acceleration_ratio: float
    max_jerk_ratio: float
    boundary_jump_rad: float


class EpisodeCount(_Model):
    """Episodes, and those that succeeded."""

    n: int
    success: int


class EpisodeCounts(_Model):
    """Of both policies, on the same scenes."""

    float: EpisodeCount
    int8: EpisodeCount


class Processor(_Model):
    """The machine's processor."""

    model: str
    vnni: bool


class Summary(_Model):
    """All of summary.json; the keys are those of the reference page summary-json."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: int = Field(alias="schema")
    task: str
    instruction: str
    scheme: str
    layout: str
    integer_layers: int
    calibration: CalibrationSize
    gate: GateFigures
    latency_ms: Latencies
    fastest_float: str = f"{OURS_TOLD}, no other measured"
    speedup: float
    weight_bytes: WeightBytes
    control: Control
    episodes: EpisodeCounts
    faults: dict[str, int]
    durations_s: dict[str, float]
    cpu: Processor
    versions: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Plain values under the keys of summary.json."""
        return self.model_dump(mode="json", by_alias=True)


def count(episodes: Sequence[Episode]) -> EpisodeCount:
    """Number and successes."""
    return EpisodeCount(n=len(episodes), success=sum(e.success for e in episodes))


def summarize(
    task: str,
    quantized: BundleManifest,
    calibration: CalibrationSize,
    bench: Mapping[str, Any],
    node_records: Mapping[str, Mapping[str, Any]],
    episodes: Mapping[str, Sequence[Episode]],
    setpoints: Shares,
    durations_s: Mapping[str, float],
) -> Summary:
    """Bring the records of one run together."""
    assert quantized.quantization is not None and quantized.gate is not None
    node, motion = node_records["int8"], node_records["int8"]["motion"]
    faults: dict[str, int] = {}
    for record in node_records.values():
        for code, number in record["faults"].items():
            faults[code] = faults.get(code, 0) + number
    return Summary(
        schema_version=SCHEMA,
        task=task,
        instruction=episodes["int8"][0].instruction,
        scheme=quantized.quantization.scheme,
        layout=quantized.quantization.layout,
        integer_layers=bench["integer_layers"],
        calibration=calibration,
        gate=_gate_figures(quantized.gate),
        latency_ms=_latencies(bench),
        fastest_float=fastest_told(bench),
        speedup=bench["speedup"],
        weight_bytes=WeightBytes.model_validate(bench["weight_bytes"]),
        control=Control(
            rate_hz=node["control_rate_hz"],
            published=node["published"],
            jitter_ms=Jitter.model_validate(node["jitter_ms"]),
            max_velocity_ratio=setpoints.velocity,
            max_acceleration_ratio=setpoints.acceleration,
            max_jerk_ratio=setpoints.jerk,
            boundary_jump_rad=motion["boundary_jump"],
        ),
        episodes=EpisodeCounts(
            float=count(episodes["float"]),
            int8=count(episodes["int8"]),
        ),
        faults=faults,
        durations_s={name: round(seconds, 2) for name, seconds in durations_s.items()},
        cpu=Processor(model=bench["cpu"]["model"], vnni=bench["cpu"]["vnni"]),
        versions=versions(),
    )


def _latencies(bench: Mapping[str, Any]) -> Latencies:
    names = {"float_compiled": FLOAT, "int8": INT8, "fastest_float": bench["fastest_float"]}
    return Latencies.model_validate({key: bench["latency_ms"][name] for key, name in names.items()})


def _gate_figures(gate: GateRecord) -> GateFigures:
    (arm,) = gate.motions  # the demonstration's policy moves one arm
    return GateFigures(
        passed=gate.passed,
        error_share=arm.error_share,
        chunk_mae=arm.chunk_mae,
        cosine=gate.cosine,
        gripper_flips=gate.gripper_flips,
        jerk_ratio=arm.jerk_ratio,
    )
