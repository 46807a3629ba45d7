# SPDX-License-Identifier: Apache-2.0
"""Latency and memory of several quantized bundles beside their compiled float policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.bench.measuring import circumstances, integer_names, percentiles, time_in_turn
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.robot.observation import Observation

SCHEMA = 1
FLOAT = "float_compiled"


def bench_schemes(
    quantized: Mapping[str, Path],
    float_path: Path,
    observations: Sequence[Observation],
    rounds: int = 200,
    threads: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all policies, compiled, in turn.

    Returns:
        A record: schema, versions, cpu, and by policy its bundle, scheme, kernel, percentiles and
        stages in ms, speedup (ratio of the medians to the control's), bytes, raw samples in ms.
    """
    paths = {FLOAT: float_path, **quantized}
    policies = {name: load_policy(path, threads=threads) for name, path in paths.items()}
    samples, stages = time_in_turn(policies, observations, rounds, progress)
    latency = {name: percentiles(values) for name, values in samples.items()}
    entries = {
        name: {
            "bundle": bundle_hash(paths[name]),
            "scheme": policy.manifest.quantization and policy.manifest.quantization.scheme,
            "kernel": policy.kernel,
            "integer_layers": policy.integer_layers,
            "latency_ms": latency[name],
            "speedup": latency[FLOAT]["p50"] / latency[name]["p50"],
            "stages_ms": stages[name],
            "weight_bytes": held_bytes(policies[FLOAT], policy),
            "samples_ms": samples[name],
        }
        for name, policy in policies.items()
    }
    return {"schema": SCHEMA, **circumstances(threads), "policies": entries}


def held_bytes(control: RunningPolicy, policy: RunningPolicy) -> dict[str, int]:
    """Bytes held, whole and for the quantized layers, and what those take in 32 and 16 bits."""
    names = integer_names(policy)
    wide = control.layer_bytes(names)
    return {
        "all": policy.weight_bytes(),
        "quantized_part": policy.layer_bytes(names),
        "quantized_part_fp32": wide,
        "quantized_part_fp16": wide // 2,
    }
