# SPDX-License-Identifier: Apache-2.0
"""Chunks of an INT8 policy beside those of its float policy, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quantvla_ros.robot.observation import Observation

_SEED = 11


def chunk_pairs(
    float_path: Path, quantized_path: Path, observations: Sequence[Observation]
) -> dict[str, Any]:
    """Infer one chunk of each policy a sample, with the same noise.

    Returns:
        A record: names and units of the actions, dt (s), and per sample the instruction and both
        chunks [horizon][actions] in the robot's units.
    """
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.processing.noise import draw_noise

    reference = load_policy(float_path)
    quantized = load_policy(quantized_path)
    interface = reference.manifest.interface
    rows = []
    for i, observation in enumerate(observations):
        noise = draw_noise(reference.manifest, _SEED, i)
        rows.append(
            {
                "instruction": observation.instruction,
                "float": reference.infer(observation, noise).actions.tolist(),
                "int8": quantized.infer(observation, noise).actions.tolist(),
            }
        )
    return {
        "names": interface.action.names,
        "units": interface.action.units,
        "dt_s": interface.dt,
        "samples": rows,
    }
