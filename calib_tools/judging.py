# SPDX-License-Identifier: Apache-2.0
"""Run the gate on two policies or on two bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quantvla_ros.backends.policy import TorchPolicy, load_policy
from quantvla_ros.bundle.chunk import draw_noise
from quantvla_ros.bundle.observation import Observation
from quantvla_ros.bundle.schema import GateRecord
from quantvla_ros.errors import BundleError
from quantvla_ros.quantization.gate import Thresholds, compare, load_thresholds

GATE_SEED = 20602203  # noise of the gate; fixed, so that a judgement repeats


def judge(
    float_policy: TorchPolicy,
    quantized_policy: TorchPolicy,
    observations: Sequence[Observation],
    thresholds: Thresholds | None = None,
) -> GateRecord:
    """Compare chunks of both policies on the same observations and the same noise.

    Raises:
        CalibrationBufferError: too few observations.
    """
    manifest = float_policy.manifest
    pairs = []
    for counter, observation in enumerate(observations):
        noise = draw_noise(manifest, GATE_SEED, counter)
        pairs.append(
            [
                policy.infer(observation, noise).actions
                for policy in (float_policy, quantized_policy)
            ]
        )
    chunks = np.asarray(pairs, dtype=np.float64).reshape(
        len(pairs), 2, manifest.interface.horizon, -1
    )
    norm = manifest.normalization
    mean, std = np.asarray(norm.action_mean), np.asarray(norm.action_std)
    joints = np.stack([o.joints for o in observations]) if observations else np.zeros((0, 1))
    index = [manifest.interface.state.names.index(n) for n in manifest.interface.action.names]
    relative = np.asarray(manifest.interface.action.relative)
    offset = np.where(relative, joints[:, index], 0.0)[:, None, None] if len(pairs) else 0.0
    normalized = (chunks - offset - mean) / std
    return compare(
        chunks[:, 0],
        chunks[:, 1],
        (normalized[:, 0], normalized[:, 1]),
        manifest.interface.action,
        manifest.interface.dt,
        thresholds or load_thresholds(),
        quantized_policy.kernel,
    )


def judge_bundles(
    float_path: Path,
    quantized_path: Path,
    observations: Sequence[Observation],
    thresholds: Thresholds | None = None,
) -> GateRecord:
    """Judge a quantized bundle on this machine's integer kernel.

    Raises:
        BundleError: a bundle is damaged, or the second one is not quantized.
        CalibrationBufferError: too few observations.
    """
    quantized = load_policy(quantized_path, "cpu", compiled=False)
    if quantized.manifest.quantization is None:
        raise BundleError(f"bundle {quantized_path} is not quantized; the gate needs one that is")
    return judge(
        load_policy(float_path, "cpu", compiled=False), quantized, observations, thresholds
    )
