# SPDX-License-Identifier: Apache-2.0
"""summary.json: the figures of one demo run, all measured in it, and their table as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calib_tools.bench.floats import COMPILED, INT8, OURS_TOLD, fastest_told
from calib_tools.common.circumstances import versions
from calib_tools.common.setpoints import Shares
from calib_tools.system.episodes import Episode
from quantvla_ros.bundle.schema import BundleManifest, GateRecord
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.validation import first_problem

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
        float_compiled: by this package; in records of before, compiled by PyTorch.
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
    measured = bench["latency_ms"]
    found = {name: measured[name] for name in (COMPILED, INT8)}
    return Latencies.model_validate({**found, "fastest_float": measured[bench["fastest_float"]]})


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


def read_summary(path: Path) -> dict[str, Any]:
    """Read a demo's summary.json and check it against its schema.

    Raises:
        QuantVLAError: the file is missing, or a key is missing, unknown or of a wrong type.
    """
    if not path.is_file():
        raise QuantVLAError(f"{path} is missing: run `make demo` and copy demo_out/summary.json.")
    try:
        return Summary.model_validate_json(path.read_text(encoding="utf-8")).as_json()
    except ValidationError as error:
        raise QuantVLAError(f"{path}, {first_problem(error)}; run `make demo` again.") from None


def fastest_latency(summary: Mapping[str, Any]) -> Mapping[str, float]:
    """Percentiles of the float that a summary's speedup is measured against, ms."""
    latency = summary["latency_ms"]
    found: Mapping[str, float] = latency["fastest_float"] or latency["float_compiled"]
    return found


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.2f} MB"


def render(summary: Mapping[str, Any]) -> str:
    """Markdown of the results: float beside INT8, then what the node and the gate measured."""
    latency, weights = summary["latency_ms"], summary["weight_bytes"]
    gate, control, episodes = summary["gate"], summary["control"], summary["episodes"]
    compiled, int8 = latency["float_compiled"], latency["int8"]
    part = weights["quantized_part_float"], weights["quantized_part_int8"]
    jitter = control["jitter_ms"]
    wins = {name: f"{value['success']} of {value['n']}" for name, value in episodes.items()}
    vnni = "with VNNI" if summary["cpu"]["vnni"] else "AVX2 only, no VNNI"
    boundary = f"{control['boundary_jump_rad']:.4f} rad"
    fastest = fastest_latency(summary)
    rows = [
        ("", "float of this package", f"fastest float: {summary['fastest_float']}", "INT8"),
        (":---", "---:", "---:", "---:"),
        *(
            (
                f"latency of one chunk, {p}",
                *(f"{one[p]:.1f} ms" for one in (compiled, fastest, int8)),
            )
            for p in ("p50", "p95", "p99")
        ),
        ("weights held in memory", _megabytes(weights["float"]), "", _megabytes(weights["int8"])),
        ("of these the quantized part", _megabytes(part[0]), "", _megabytes(part[1])),
        ("episodes solved", wins["float"], "", wins["int8"]),
    ]
    facts = [
        ("measured in one demo", "value"),
        (":---", "---:"),
        ("speedup of the median, beside the fastest float", f"{summary['speedup']:.2f}x"),
        ("integer layers that run", f"{summary['integer_layers']}"),
        ("gate", "passed" if gate["passed"] else "FAILED"),
        ("difference from float, of float's own spread", f"{100 * gate['error_share']:.0f} %"),
        ("chunk MAE, INT8 against float", f"{gate['chunk_mae']:.5f} rad"),
        ("cosine", f"{gate['cosine']:.5f}"),
        ("gripper flips", f"{gate['gripper_flips']}"),
        ("jerk ratio", f"{gate['jerk_ratio']:.3f}"),
        (f"publishing jitter at {control['rate_hz']:g} Hz, p50", f"{jitter['p50']:.2f} ms"),
        ("publishing jitter, p99", f"{jitter['p99']:.2f} ms"),
        ("publishing jitter, largest", f"{jitter['max']:.2f} ms"),
        ("setpoints, largest velocity over its limit", f"{control['max_velocity_ratio']:.3f}"),
        ("setpoints, largest acceleration", f"{control['max_acceleration_ratio']:.3f}"),
        ("setpoints, largest jerk", f"{control['max_jerk_ratio']:.3f}"),
        ("largest jump where chunks meet", boundary),
        ("faults", _faults(summary["faults"])),
    ]
    samples = summary["calibration"]
    caption = (
        f"Scheme `{summary['scheme']}`, layout `{summary['layout']}`, task `{summary['task']}`, "
        f"{samples['samples']} calibration and {samples['held_out']} held-out samples, "
        f"{summary['cpu']['model']} ({vnni}). A demo runs few episodes: its counts show that the "
        "chain works, they are no success rate."
    )
    tables = ("\n".join(f"| {' | '.join(row)} |" for row in table) for table in (rows, facts))
    return "\n\n".join([caption, *tables])


def _faults(faults: Mapping[str, int]) -> str:
    """The faults as words: "none", or each code with its count."""
    return ", ".join(f"{code} {count}" for code, count in faults.items() if count) or "none"
