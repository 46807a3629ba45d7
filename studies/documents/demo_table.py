# SPDX-License-Identifier: Apache-2.0
"""A demo's summary.json as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calib_tools.demo.summary import Summary
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.validation import first_problem


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
    own, int8 = latency["float_compiled"], latency["int8"]
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
                *(f"{one[p]:.1f} ms" for one in (own, fastest, int8)),
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
