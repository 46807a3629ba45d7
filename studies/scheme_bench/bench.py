# SPDX-License-Identifier: Apache-2.0
"""Latency and memory of several quantized bundles beside the fastest float policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.bench.floats import FLOAT, fastest_float
from calib_tools.bench.measuring import circumstances, integer_names, percentiles, time_in_turn
from calib_tools.bench.other_runtimes import other_floats
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.backends.policy import Policy, load_policy
from quantvla_ros.backends.registry import DEFAULT
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.robot.observation import Observation

SCHEMA = 1


def bench_schemes(
    quantized: Mapping[str, Path],
    float_path: Path,
    observations: Sequence[Observation],
    rounds: int = 200,
    threads: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all policies, the float one by every float runtime of this machine, in turn.

    Returns:
        A record: schema, versions, cpu, and by policy its bundle, scheme, kernel, percentiles and
        stages in ms, speedup (ratio of the fastest float's median to its own), bytes, raw samples
        in ms; which float is the fastest, and runtimes that could not be measured.
    """
    others, left_out = other_floats(float_path, DEFAULT, threads)
    policies = {FLOAT: load_policy(float_path, threads=threads), **others}
    policies |= {name: load_policy(path, threads=threads) for name, path in quantized.items()}
    samples, stages = time_in_turn(policies, observations, rounds, progress)
    latency = {name: percentiles(values) for name, values in samples.items()}
    fastest = fastest_float({name: latency[name] for name in (FLOAT, *others)})
    entries = {
        name: {
            "bundle": bundle_hash(quantized.get(name, float_path)),
            "scheme": policy.manifest.quantization and policy.manifest.quantization.scheme,
            "kernel": policy.kernel,
            "integer_layers": policy.integer_layers,
            "latency_ms": latency[name],
            "speedup": latency[fastest]["p50"] / latency[name]["p50"],
            "stages_ms": stages[name],
            "weight_bytes": held_bytes(policies[FLOAT], policy),
            "samples_ms": samples[name],
        }
        for name, policy in policies.items()
    }
    return {
        "schema": SCHEMA,
        **circumstances(threads),
        "fastest_float": fastest,
        "not_measured": left_out,
        "policies": entries,
    }


def held_bytes(control: RunningPolicy, policy: RunningPolicy) -> dict[str, int]:
    """Bytes held, whole and for the quantized layers, and what those take in 32 and 16 bits."""
    assert isinstance(control, Policy)
    # Layers that inference never calls are held by none.
    names = [name for name in integer_names(policy) if policy.layer_bytes([name])]
    # Of the shapes, which a network keeps when a backend has taken its tensors.
    layers = [control.network.get_submodule(name) for name in names]
    count = sum(tensor.numel() for layer in layers for tensor in layer.parameters())
    return {
        "all": policy.weight_bytes(),
        "quantized_part": policy.layer_bytes(names),
        "quantized_part_fp32": 4 * count,
        "quantized_part_fp16": 2 * count,
    }
