# SPDX-License-Identifier: Apache-2.0
"""From the words of the command line to an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.stopping import goes_on
from calib_tools.evaluate.plan import NO_SHIFT
from calib_tools.evaluate.record import RECORD
from calib_tools.evaluate.run import evaluate
from calib_tools.evaluate.settings import MEASURED, make_settings
from calib_tools.evaluate.variants import ReadChange, parse_variants
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError


@goes_on()
def run_evaluation(
    bundles: Sequence[str],
    out: Path,
    tasks: Sequence[str],
    episodes: int,
    first_seed: int,
    shifts: Sequence[str],
    setting: str,
    wordings: str,
    latency: str,
    stop_when_decided: bool,
    over_ros: bool,
    controller_rate_hz: float,
    workers: int | None,
    ray: str | None,
    gifs: int,
    read_change: ReadChange | None = None,
) -> dict[str, Any]:
    """Check what was asked for and do it; see `quantvla evaluate --help` and `parse_variants`.

    Raises:
        QuantVLAError: what the user can mend.
    """
    from simulation.tasks.registry import TASKS

    check_writable(out / RECORD)
    if over_ros or latency == MEASURED:
        find_backend(DEFAULT).check(Options())
    if over_ros and ray is not None:
        raise QuantVLAError("--over-ros runs on this machine alone; leave out --ray.")
    variants = parse_variants(bundles, read_change)
    settings = make_settings(
        variants,
        tasks or list(TASKS),
        episodes,
        first_seed,
        shifts or [NO_SHIFT],
        wordings,
        latency,
        setting,
        stop_when_decided,
        "ros" if over_ros else "in process",
        controller_rate_hz,
    )
    return evaluate(variants, settings, out, workers, ray, gifs)
