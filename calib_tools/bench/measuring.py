# SPDX-License-Identifier: Apache-2.0
"""Latency and memory of a quantized policy beside the fastest float one, in one run.

All are measured in turn, inference by inference, because machines slow down and speed up while
one measures: only the ratio within a run is worth something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calib_tools.bench.floats import FLOAT, PYTORCH, fastest_float, fastest_int8
from calib_tools.bench.other_runtimes import Found, other_floats, other_int8
from calib_tools.bench.pytorch import pytorch_policy
from calib_tools.common.circumstances import versions
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.errors import BackendError
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.processor import cpu_model, has_vnni
from quantvla_ros.robot.observation import Observation

WARM_UP = 5
SCHEMA = 1


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of `samples`."""
    p50, p95, p99 = np.percentile(np.asarray(samples), [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99)}


def time_in_turn(
    policies: Mapping[str, RunningPolicy],
    observations: Sequence[Observation],
    rounds: int,
    progress: Callable[[float], None],
) -> tuple[dict[str, list[float]], dict[str, dict[str, float]]]:
    """Run all policies inference by inference.

    Returns:
        Milliseconds of every inference, and the median milliseconds of every stage, by policy.
    """
    samples: dict[str, list[float]] = {name: [] for name in policies}
    stages: dict[str, list[dict[str, float]]] = {name: [] for name in policies}
    for index in range(WARM_UP + rounds):
        observation = observations[index % len(observations)]
        for name, policy in policies.items():
            noise = draw_noise(policy.manifest, 0, index)
            start = time.perf_counter()
            chunk = policy.infer(observation, noise)
            if index >= WARM_UP:
                samples[name].append((time.perf_counter() - start) * 1e3)
                stages[name].append(chunk.timings_ms)
        progress((index + 1) / (WARM_UP + rounds))
    return samples, {name: _stage_medians(rows) for name, rows in stages.items()}


def circumstances(threads: int) -> dict[str, Any]:
    """What a record says about the machine and the software."""
    return {
        "versions": versions(),
        "cpu": {"model": cpu_model(), "vnni": has_vnni(), "threads": threads},
    }


def bench(
    quantized_path: Path,
    float_path: Path,
    observations: Sequence[Observation],
    rounds: int = 200,
    threads: int = 1,
    backend: str = DEFAULT,
    progress: Callable[[float], None] = lambda _: None,
    resident: str = "all",
) -> dict[str, Any]:
    """Time the quantized policy and the float one by every float runtime of this machine, in turn.

    Args:
        quantized_path: quantized bundle.
        float_path: its float bundle.
        observations: real observations, used in turn.
        rounds: timed inferences of each.
        threads: CPU threads of an inference.
        backend: what computes the quantized policy, and one of the float ones.
        progress: called with the share done.
        resident: see `Options`.

    Returns:
        A record: schema, versions, cpu, raw samples in ms, percentiles, which float is the fastest,
        speedup (its median over that of INT8), float runtimes that could not be measured and why,
        stages, weight bytes of the loaded backends, what multiplies in each (kernels).
    """
    engines = find_backend(backend).runs_what_it_built  # its float control is an engine too
    quantized = load_policy(quantized_path, backend, threads, resident)
    control = load_policy(float_path, backend, threads, resident)
    if engines:
        others, left_out = _by_pytorch(float_path, threads)
        further: dict[str, RunningPolicy] = {}
    else:
        others, left_out = other_floats(float_path, backend, threads)
        further, _ = other_int8(quantized_path, backend, threads)  # or its bundles are not exact
    policies = {FLOAT: control, **others, "int8": quantized, **further}
    samples, stages = time_in_turn(policies, observations, rounds, progress)
    latency = {name: percentiles(values) for name, values in samples.items()}
    fastest = fastest_float(latency)
    return {
        "schema": SCHEMA,
        "bundles": {"float": bundle_hash(float_path), "int8": bundle_hash(quantized_path)},
        **circumstances(threads),
        "backend": backend,
        "target": find_backend(backend).target(),
        "kernel": quantized.kernel,
        "kernels": {name: policy.kernel for name, policy in policies.items()},
        "integer_layers": quantized.integer_layers,
        "latency_ms": latency,
        "fastest_float": fastest,
        "fastest_int8": fastest_int8(latency),
        "not_measured": left_out,
        "speedup": latency[fastest]["p50"] / latency["int8"]["p50"],
        "stages_ms": stages,
        "weight_bytes": weight_bytes(control, quantized),
        "samples_ms": samples,
    }


def _by_pytorch(path: Path, threads: int) -> Found:
    try:
        return {PYTORCH: pytorch_policy(path, threads)}, {}
    except BackendError as error:
        return {}, {"PyTorch": str(error)}


def _stage_medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.median([row[key] for row in rows])) for key in rows[0]}


def weight_bytes(float_policy: RunningPolicy, quantized_policy: RunningPolicy) -> dict[str, int]:
    """Bytes held by both loaded backends, whole and for the layers that became integer."""
    names = integer_names(quantized_policy)
    return {
        "float": float_policy.weight_bytes(),
        "int8": quantized_policy.weight_bytes(),
        "quantized_part_float": float_policy.layer_bytes(names),
        "quantized_part_int8": quantized_policy.layer_bytes(names),
    }


def integer_names(policy: RunningPolicy) -> list[str]:
    """Names of the layers that a bundle holds as integers."""
    quantization = policy.manifest.quantization
    records = [] if quantization is None else quantization.layers
    return [record.name for record in records if record.precision != "float"]
