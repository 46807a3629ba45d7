# SPDX-License-Identifier: Apache-2.0
"""The largest numbers that a bundle's network computes, for the kind of float of its engines."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from calib_tools.quantize.command import fitting_buffer
from calib_tools.quantize.judging import chunks_of
from quantvla_ros.backends.policy import Policy, load_policy
from quantvla_ros.backends.registry import YARDSTICK
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.largest import largest_by_part

SAMPLES = 16
"""Of the buffer, evenly spread: the numbers grow little with more, and choosing leaves a margin."""


def measured_largest(bundle: Path, buffer: Path) -> dict[str, float]:
    """The largest magnitude in each part of a network, by its own run in float32.

    A quantized bundle's numbers are not its float bundle's: SmoothQuant moves factors between
    activations and weights, so each is measured on its own network.

    Args:
        bundle: directory of the bundle.
        buffer: calibration buffer with real inputs.

    Raises:
        QuantVLAError: the bundle is damaged, or the buffer is of another robot.
    """
    manifest = load_manifest(bundle, check_files=True)
    samples = fitting_buffer(bundle, manifest, buffer).samples
    policy = cast(Policy, load_policy(bundle, YARDSTICK))
    family = find_family(manifest.family)
    if family.graphs is None:  # no engine is built of it; the backend says so
        return {}
    graphs = family.graphs(policy.network)
    taken = samples[:: max(1, len(samples) // SAMPLES)][:SAMPLES]

    def run() -> None:
        chunks_of(policy, taken)

    return largest_by_part(policy.network, lambda name: graphs.part_of(name, graphs.step.part), run)
