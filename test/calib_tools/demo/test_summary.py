# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from calib_tools.common.circumstances import versions
from calib_tools.common.setpoints import Shares
from calib_tools.demo.summary import CalibrationSize, Summary, summarize
from calib_tools.system.episodes import Episode

# What `quantvla demo` promises to its readers, in this order.
KEYS = {
    "schema": None,
    "task": None,
    "instruction": None,
    "scheme": None,
    "layout": None,
    "integer_layers": None,
    "calibration": ["samples", "held_out"],
    "gate": ["passed", "error_share", "chunk_mae", "cosine", "gripper_flips", "jerk_ratio"],
    "latency_ms": ["float_compiled", "int8"],
    "speedup": None,
    "weight_bytes": ["float", "int8", "quantized_part_float", "quantized_part_int8"],
    "control": [
        "rate_hz",
        "published",
        "jitter_ms",
        "max_velocity_ratio",
        "max_acceleration_ratio",
        "max_jerk_ratio",
        "boundary_jump_rad",
    ],
    "episodes": ["float", "int8"],
    "faults": None,
    "durations_s": None,
    "cpu": ["model", "vnni"],
    "versions": None,
}
PERCENTILES = {"p50": 10.0, "p95": 12.0, "p99": 15.0}


def episode(success: bool, seed: int = 1) -> Episode:
    return Episode(seed, "put the milk in the basket", success, "milk", 9.5, "")


def node_record(**faults: int) -> dict:
    return {
        "control_rate_hz": 50.0,
        "published": 900,
        "jitter_ms": {"p50": 0.1, "p99": 1.5, "max": 3.0},
        "motion": {
            "max_velocity_ratio": 0.8,
            "max_acceleration_ratio": 0.9,
            "boundary_jump": 0.001,
            "windows": 900,
        },
        "faults": faults,
    }


GATE = SimpleNamespace(
    passed=True,
    motions=[SimpleNamespace(error_share=0.1, chunk_mae=0.001, jerk_ratio=1.01)],
    cosine=0.999,
    gripper_flips=0,
)


def make() -> Summary:
    quantization = SimpleNamespace(scheme="w8a8", layout="llm+dit_mlp")
    bench = {
        "integer_layers": 30,
        "latency_ms": {"float_compiled": PERCENTILES, "int8": PERCENTILES},
        "speedup": 1.4,
        "weight_bytes": {
            "float": 40,
            "int8": 20,
            "quantized_part_float": 30,
            "quantized_part_int8": 10,
        },
        "cpu": {"model": "a processor", "vnni": False, "threads": 1},
    }
    return summarize(
        "pick_place",
        SimpleNamespace(gate=GATE, quantization=quantization),
        CalibrationSize(samples=48, held_out=16),
        bench,
        {"float": node_record(), "int8": node_record(STALE_CAMERA=1)},
        {
            "float": [episode(True), episode(False, 2)],
            "int8": [episode(True), episode(True, 2)],
        },
        Shares(0.91, 0.97, 0.88),
        {"record": 12.3456, "total": 60.0},
    )


def test_the_keys_are_exactly_those_promised():
    values = make().as_json()
    assert list(values) == list(KEYS)
    for name, inside in KEYS.items():
        if inside is not None:
            assert list(values[name]) == inside
    assert list(values["latency_ms"]["int8"]) == ["p50", "p95", "p99"]
    assert list(values["control"]["jitter_ms"]) == ["p50", "p99", "max"]
    assert list(values["episodes"]["float"]) == ["n", "success"]


def test_it_is_json_and_can_be_read_back():
    summary = make()
    assert Summary.model_validate(json.loads(json.dumps(summary.as_json()))) == summary


def test_another_key_is_refused():
    with pytest.raises(ValidationError):
        Summary.model_validate(make().as_json() | {"mood": "good"})


def test_values_come_from_the_records():
    values = make().as_json()
    assert values["schema"] == 1
    assert values["instruction"] == "put the milk in the basket"
    assert values["episodes"] == {"float": {"n": 2, "success": 1}, "int8": {"n": 2, "success": 2}}
    assert values["faults"] == {"STALE_CAMERA": 1}
    assert values["control"] == {
        "rate_hz": 50.0,
        "published": 900,
        "jitter_ms": {"p50": 0.1, "p99": 1.5, "max": 3.0},
        "max_velocity_ratio": 0.91,
        "max_acceleration_ratio": 0.97,
        "max_jerk_ratio": 0.88,
        "boundary_jump_rad": 0.001,
    }
    assert values["durations_s"] == {"record": 12.35, "total": 60.0}
    assert values["cpu"] == {"model": "a processor", "vnni": False}


def test_faults_of_both_runs_are_summed():
    record = node_record(CHUNK_UNDERRUN=2, STALE_CAMERA=0)
    both = {"float": record, "int8": record}
    summary = make()
    quantization = SimpleNamespace(scheme="w8a8", layout="llm")
    again = summarize(
        "pick_place",
        SimpleNamespace(gate=GATE, quantization=quantization),
        summary.calibration,
        {
            "integer_layers": 1,
            "latency_ms": {"float_compiled": PERCENTILES, "int8": PERCENTILES},
            "speedup": 1.0,
            "weight_bytes": summary.weight_bytes.model_dump(),
            "cpu": {"model": "", "vnni": True},
        },
        both,
        {"float": [episode(True)], "int8": [episode(True)]},
        Shares(),
        {},
    )
    assert again.faults == {"CHUNK_UNDERRUN": 4, "STALE_CAMERA": 0}


def test_versions_name_what_computed():
    found = versions()
    assert {"quantvla_ros", "python", "torch", "numpy"} <= set(found)
    assert all(found.values())
