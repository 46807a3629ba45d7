# SPDX-License-Identifier: Apache-2.0
"""Run the gate on two policies or on two bundles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.backends.policy import Policy, load_policy
from quantvla_ros.backends.registry import DEFAULT, YARDSTICK, find_backend
from quantvla_ros.bundle.schema import BundleManifest, GateRecord
from quantvla_ros.errors import BundleError
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.quantization.gate import Computed, Thresholds, compare, failures, load_thresholds
from quantvla_ros.robot.observation import Observation

GATE_SEED = 20602203  # noise of the gate; fixed, so that a judgement repeats
DRAWS = 3  # chunks of the float policy for each sample, whose spread is no error of the weights
STAGE_SAMPLES = 8  # of the stages, whose errors differ little from sample to sample

Chunks = NDArray[np.float64]


def draws_of(policy: RunningPolicy, observations: Sequence[Observation]) -> Chunks:
    """Chunks [DRAWS, N, horizon, actions] in the robot's units; the first are `chunks_of`."""
    return _chunks(policy, observations, [GATE_SEED + k for k in range(DRAWS)])


def chunks_of(
    policy: RunningPolicy, observations: Iterable[Observation], seed: int = GATE_SEED
) -> Chunks:
    """Chunks [N, horizon, actions] in the robot's units, with the noise of a seed: the gate's."""
    chunks: Chunks = _chunks(policy, observations, [seed])[0]
    return chunks


def _chunks(
    policy: RunningPolicy, observations: Iterable[Observation], seeds: Sequence[int]
) -> Chunks:
    """Chunks [seeds, N, horizon, actions]."""
    interface = policy.manifest.interface
    made = []
    for counter, observation in enumerate(observations):
        noises = [draw_noise(policy.manifest, seed, counter) for seed in seeds]
        if isinstance(policy, Policy):
            made.append(policy.draws(observation, noises))
        else:
            made.append([policy.infer(observation, noise).actions for noise in noises])
    shape = (len(made), len(seeds), interface.horizon, len(interface.action.names))
    chunks: Chunks = np.asarray(made, dtype=np.float64).reshape(shape).swapaxes(0, 1)
    return chunks


def judge_chunks(
    manifest: BundleManifest,
    draws: Chunks,
    quantized: Chunks,
    observations: Sequence[Observation],
    thresholds: Thresholds,
    kernel: str,
    backend: str = YARDSTICK,
) -> GateRecord:
    """Judge `chunks_of` a quantized policy against `draws_of` its float policy.

    `kernel` of the backend computed the former.

    Raises:
        CalibrationBufferError: too few observations.
    """
    norm, interface = manifest.normalization, manifest.interface
    mean, std = np.asarray(norm.action_mean), np.asarray(norm.action_std)
    joints = np.array([o.joints for o in observations]).reshape(-1, len(interface.state.names))
    own_units = (interface.values(chunks, joints) for chunks in (draws, quantized))
    normalized = [(values - mean) / std for values in own_units]
    return compare(
        draws,
        quantized,
        (normalized[0], normalized[1]),
        interface.action,
        interface.dt,
        thresholds,
        Computed(kernel, find_backend(backend).target(), backend),
    )


def judge_bundles(
    float_path: Path,
    quantized_path: Path,
    observations: Sequence[Observation],
    thresholds: Thresholds | None = None,
    backend: str = DEFAULT,
    resident: str = "all",
) -> GateRecord:
    """Judge a quantized bundle as a backend computes it on this machine.

    Raises:
        BundleError: a bundle is damaged, or the second one is not quantized.
        CalibrationBufferError: too few observations.
    """
    quantized = load_policy(quantized_path, backend, resident=resident)
    if quantized.manifest.quantization is None:
        raise BundleError(f"bundle {quantized_path} is not quantized; the gate needs one that is")
    reference = load_policy(float_path)
    record = judge_chunks(
        reference.manifest,
        draws_of(reference, observations),
        chunks_of(quantized, observations),
        observations,
        thresholds or load_thresholds(),
        quantized.kernel,
        backend,
    )
    if not find_backend(backend).runs_what_it_built:
        return record
    from calib_tools.quantize.stage_errors import stage_errors

    stages = stage_errors(quantized, quantized_path, float_path, observations[:STAGE_SAMPLES])
    record = record.model_copy(update={"stages": stages})
    return record.model_copy(update={"passed": not failures(record)})
