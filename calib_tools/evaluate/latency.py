# SPDX-License-Identifier: Apache-2.0
"""The simulated time from observation to chunk of each variant."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from calib_tools.common.output import write_json
from calib_tools.evaluate.settings import MEASURED, Settings
from calib_tools.evaluate.variants import Variant, load_variant
from quantvla_ros.errors import QuantVLAError

LATENCY = "latency.json"
ROUNDS = 30


def latencies_ms(settings: Settings, variants: Sequence[Variant], out: Path) -> dict[str, float]:
    """Label -> ms; what is to be measured is measured once, and kept in `out` for going on.

    Raises:
        QuantVLAError: the kept file is damaged.
    """
    if settings.way == "ros":
        return {variant.label: 0.0 for variant in variants}  # nothing is simulated
    if settings.latency != MEASURED:
        return {variant.label: float(settings.latency) for variant in variants}
    path = out / LATENCY
    if path.is_file():
        return _read(path, variants)
    # A change is for study and computed in float: its latency is that of its bundle.
    by_bundle = {
        key: measure_ms(replace(variant, change=None), settings.denoise_steps)
        for key, variant in {(v.sha256, v.backend): v for v in variants}.items()
    }
    found = {variant.label: by_bundle[variant.sha256, variant.backend] for variant in variants}
    write_json(path, found)
    return found


def measure_ms(variant: Variant, denoise_steps: int | None) -> float:
    """Median of `ROUNDS` inferences on one thread, as in the node, ms."""
    from quantvla_ros.processing.noise import draw_noise
    from quantvla_ros.processing.processing import blank_observation

    policy = load_variant(variant, denoise_steps)
    observation = blank_observation(policy.manifest.interface)
    noise = draw_noise(policy.manifest, 0, 0)
    times = [sum(policy.infer(observation, noise).timings_ms.values()) for _ in range(ROUNDS)]
    return round(median(times), 3)


def _read(path: Path, variants: Sequence[Variant]) -> dict[str, float]:
    try:
        kept: Mapping[str, float] = json.loads(path.read_text(encoding="utf-8"))
        found = {variant.label: float(kept[variant.label]) for variant in variants}
        if not all(0 <= latency < math.inf for latency in found.values()):
            raise ValueError(found)
        return found
    except (ValueError, TypeError, KeyError) as error:
        raise QuantVLAError(f"'{path}' is damaged; choose another --out.") from error
