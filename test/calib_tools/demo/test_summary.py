# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calib_tools.common.circumstances import versions
from calib_tools.common.setpoints import Shares
from calib_tools.demo.summary import CalibrationSize, Summary, summarize
from calib_tools.system.episodes import Episode
from quantvla_ros.errors import QuantVLAError
from studies.documents.demo_table import read_summary, render

EPISODE = Episode(1, "put the milk in the basket", True, "milk", 9.5, "")
FAILED = replace(EPISODE, seed=2, success=False)
GATE = SimpleNamespace(
    passed=True,
    motions=[SimpleNamespace(error_share=0.104, chunk_mae=0.00123, jerk_ratio=1.012)],
    cosine=0.99987,
    gripper_flips=0,
)
BENCH = {
    "integer_layers": 40,
    "latency_ms": {
        "float": {"p50": 31.24, "p95": 33.0, "p99": 36.0},
        "float_other": {"p50": 27.11, "p95": 29.0, "p99": 30.0},
        "int8": {"p50": 20.82, "p95": 22.0, "p99": 25.0},
    },
    "fastest_float": "float_other",
    "kernels": {"float": "float32", "float_other": "another runtime", "int8": "avx2"},
    "speedup": 1.302,
    "weight_bytes": {
        "float": 36_000_000, "int8": 15_500_000,
        "quantized_part_float": 27_000_000, "quantized_part_int8": 6_900_000,
    },
    "cpu": {"model": "A CPU", "vnni": False, "threads": 1},
}  # fmt: skip


def node_record(**faults: int) -> dict[str, Any]:
    return {
        "control_rate_hz": 50.0,
        "published": 612,
        "jitter_ms": {"p50": 0.11, "p99": 1.87, "max": 3.02},
        "motion": {"boundary_jump": 0.0213, "windows": 612},
        "faults": faults,
    }


def make(first: Mapping[str, Any] = node_record(), second: Mapping[str, Any] = node_record()):
    return summarize(
        "pick_place",
        SimpleNamespace(
            gate=GATE, quantization=SimpleNamespace(scheme="w8a8", layout="llm+dit_mlp")
        ),
        CalibrationSize(samples=48, held_out=16),
        BENCH,
        {"float": first, "int8": second},
        {"float": [EPISODE, EPISODE], "int8": [EPISODE, FAILED, FAILED]},
        Shares(0.713, 0.954, 0.731),
        {"record": 12.3456, "total": 60.0},
    )


SUMMARY: dict[str, Any] = make().as_json()


def test_the_keys_are_exactly_those_promised():
    """By the page that tells the readers of summary.json what it holds."""
    assert list(SUMMARY) == [
        "schema", "task", "instruction", "scheme", "layout", "integer_layers", "calibration",
        "gate", "latency_ms", "fastest_float", "speedup", "weight_bytes", "control", "episodes",
        "faults", "durations_s", "cpu", "versions",
    ]  # fmt: skip
    inside = {name: list(found) for name, found in SUMMARY.items() if isinstance(found, dict)}
    assert inside["calibration"] == ["samples", "held_out"]
    assert inside["gate"] == [
        "passed", "error_share", "chunk_mae", "cosine", "gripper_flips", "jerk_ratio",
    ]  # fmt: skip
    assert inside["control"] == [
        "rate_hz", "published", "jitter_ms", "max_velocity_ratio", "max_acceleration_ratio",
        "max_jerk_ratio", "boundary_jump_rad",
    ]  # fmt: skip
    assert inside["latency_ms"] == ["float_compiled", "int8", "fastest_float"]
    assert inside["weight_bytes"] == list(BENCH["weight_bytes"])
    assert inside["cpu"] == ["model", "vnni"] and inside["episodes"] == ["float", "int8"]
    assert list(SUMMARY["latency_ms"]["int8"]) == ["p50", "p95", "p99"]
    assert list(SUMMARY["control"]["jitter_ms"]) == ["p50", "p99", "max"]
    assert list(SUMMARY["episodes"]["float"]) == ["n", "success"]


def test_it_is_json_and_can_be_read_back():
    assert Summary.model_validate(json.loads(json.dumps(SUMMARY))) == make()


def test_values_come_from_the_records():
    assert SUMMARY["schema"] == 1
    assert SUMMARY["instruction"] == "put the milk in the basket"
    assert SUMMARY["episodes"] == {"float": {"n": 2, "success": 2}, "int8": {"n": 3, "success": 1}}
    assert list(SUMMARY["control"].values()) == [
        50.0, 612, {"p50": 0.11, "p99": 1.87, "max": 3.02}, 0.713, 0.954, 0.731, 0.0213,
    ]  # fmt: skip
    assert SUMMARY["durations_s"] == {"record": 12.35, "total": 60.0}
    assert SUMMARY["cpu"] == {"model": "A CPU", "vnni": False}


def test_faults_of_both_runs_are_summed():
    assert make(second=node_record(STALE_CAMERA=1)).faults == {"STALE_CAMERA": 1}
    record = node_record(CHUNK_UNDERRUN=2, STALE_CAMERA=0)
    assert make(record, record).faults == {"CHUNK_UNDERRUN": 4, "STALE_CAMERA": 0}


def test_versions_name_what_computed():
    found = versions()
    assert {"quantvla_ros", "python", "torch", "numpy"} <= set(found)
    assert all(found.values())


def written(folder: Path, summary: dict[str, Any]) -> Path:
    path = folder / "summary.json"
    path.write_text(json.dumps(summary))
    return path


def row(table: str, label: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_figure_stands_in_its_own_cell() -> None:
    table = render(SUMMARY)
    assert row(table, "latency of one chunk, p50") == ["31.2 ms", "27.1 ms", "20.8 ms"]
    assert row(table, "latency of one chunk, p99") == ["36.0 ms", "30.0 ms", "25.0 ms"]
    assert row(table, "weights held in memory") == ["36.00 MB", "", "15.50 MB"]
    assert row(table, "of these the quantized part") == ["27.00 MB", "", "6.90 MB"]
    assert row(table, "episodes solved") == ["2 of 2", "", "1 of 3"]
    assert "| fastest float: another runtime |" in table
    assert row(table, "speedup of the median, beside the fastest float") == ["1.30x"]
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
    table = render(summary)
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
        read_summary(written(tmp_path, summary))


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["gate"]["verdict"] = "good"
    with pytest.raises(QuantVLAError, match=r"gate\.verdict"):
        read_summary(written(tmp_path, summary))
