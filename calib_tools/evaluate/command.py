# SPDX-License-Identifier: Apache-2.0
"""From the words of the command line to an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.stopping import goes_on
from calib_tools.evaluate.record import RECORD
from calib_tools.evaluate.run import evaluate
from calib_tools.evaluate.settings import MEASURED, Asked, make_settings
from calib_tools.evaluate.variants import ReadChange, parse_variants
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError


@goes_on()
def run_evaluation(
    bundles: Sequence[str],
    asked: Asked,
    out: Path,
    workers: int | None,
    ray: str | None,
    gifs: int,
    read_change: ReadChange | None = None,
    backend: str | None = None,
) -> dict[str, Any]:
    """Check what was asked for and do it; see `evaluate` and `parse_variants`.

    Raises:
        QuantVLAError: what the user can mend.
    """
    check_writable(out / RECORD)
    if asked.way == "ros" or asked.latency == MEASURED:
        find_backend(DEFAULT).check(Options())
    if asked.way == "ros" and ray is not None:
        raise QuantVLAError("--over-ros runs on this machine alone; leave out --ray.")
    variants = parse_variants(bundles, read_change, backend)
    return evaluate(variants, make_settings(variants, asked), out, workers, ray, gifs)
