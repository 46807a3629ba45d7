# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from calib_tools.demo import summary_table
from quantvla_ros.errors import QuantVLAError

SUMMARY: dict[str, Any] = {
    "schema": 1,
    "task": "pick_place",
    "instruction": "put the butter in the basket",
    "scheme": "w8a8",
    "layout": "llm+dit_mlp",
    "integer_layers": 40,
    "calibration": {"samples": 48, "held_out": 16},
    "gate": {
        "passed": True,
        "error_share": 0.104,
        "chunk_mae": 0.00123,
        "cosine": 0.99987,
        "gripper_flips": 0,
        "jerk_ratio": 1.012,
    },
    "latency_ms": {
        "float_compiled": {"p50": 31.24, "p95": 33.0, "p99": 36.0},
        "int8": {"p50": 20.82, "p95": 22.0, "p99": 25.0},
    },
    "speedup": 1.501,
    "weight_bytes": {
        "float": 36_000_000,
        "int8": 15_500_000,
        "quantized_part_float": 27_000_000,
        "quantized_part_int8": 6_900_000,
    },
    "control": {
        "rate_hz": 50.0,
        "published": 612,
        "jitter_ms": {"p50": 0.11, "p99": 1.87, "max": 3.02},
        "max_velocity_ratio": 0.713,
        "max_acceleration_ratio": 0.954,
        "max_jerk_ratio": 0.731,
        "boundary_jump_rad": 0.0213,
    },
    "episodes": {"float": {"n": 2, "success": 2}, "int8": {"n": 3, "success": 1}},
    "faults": {},
    "durations_s": {"record": 40.0},
    "cpu": {"model": "A CPU", "vnni": False},
    "versions": {"torch": "2.13.0"},
}


def written(folder: Path, summary: dict[str, Any]) -> Path:
    path = folder / "summary.json"
    path.write_text(json.dumps(summary))
    return path


def row(table: str, label: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_figure_stands_in_its_own_cell() -> None:
    table = summary_table.render(SUMMARY)
    assert row(table, "latency of one chunk, p50") == ["31.2 ms", "20.8 ms"]
    assert row(table, "latency of one chunk, p99") == ["36.0 ms", "25.0 ms"]
    assert row(table, "weights held in memory") == ["36.00 MB", "15.50 MB"]
    assert row(table, "of these the quantized part") == ["27.00 MB", "6.90 MB"]
    assert row(table, "episodes solved") == ["2 of 2", "1 of 3"]
    assert row(table, "speedup of the median, beside that float") == ["1.50x"]
    assert row(table, "difference from float, of float's own spread") == ["10 %"]
    assert row(table, "chunk MAE, INT8 against float") == ["0.00123 rad"]
    assert row(table, "publishing jitter, p99") == ["1.87 ms"]
    assert row(table, "setpoints, largest velocity over its limit") == ["0.713"]
    assert row(table, "setpoints, largest acceleration") == ["0.954"]
    assert row(table, "setpoints, largest jerk") == ["0.731"]
    assert row(table, "gate") == ["passed"]
    assert row(table, "faults") == ["none"]
    assert "no VNNI" in table


def test_a_failed_gate_and_faults_are_told() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["gate"]["passed"] = False
    summary["faults"] = {"STALE_CAMERA": 2, "WORKER_DIED": 0}
    table = summary_table.render(summary)
    assert row(table, "gate") == ["FAILED"]
    assert row(table, "faults") == ["STALE_CAMERA 2"]


@pytest.mark.parametrize(
    ("path", "named"), [(("speedup",), "speedup"), (("latency_ms", "int8", "p95"), "int8.p95")]
)
def test_a_missing_key_is_named(path: tuple[str, ...], named: str, tmp_path: Path) -> None:
    summary = copy.deepcopy(SUMMARY)
    inside = summary
    for name in path[:-1]:
        inside = inside[name]
    del inside[path[-1]]
    with pytest.raises(QuantVLAError, match=named):
        summary_table.read_summary(written(tmp_path, summary))


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["gate"]["verdict"] = "good"
    with pytest.raises(QuantVLAError, match=r"gate\.verdict"):
        summary_table.read_summary(written(tmp_path, summary))
