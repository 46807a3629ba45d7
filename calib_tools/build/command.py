# SPDX-License-Identifier: Apache-2.0
"""`quantvla build`: what a backend needs beside a bundle's weights on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calib_tools.common.progress import Bar
from quantvla_ros.backends.base import BuildOptions, Options
from quantvla_ros.backends.registry import find_backend

_PLAIN = BuildOptions()


def build(
    bundle: Path, backend: str, options: BuildOptions = _PLAIN, buffer: Path | None = None
) -> Path | None:
    """Build, with a bar.

    Args:
        bundle: directory of a float or quantized bundle.
        backend: name of the backend.
        options: how; progress and sentences go to the bar.
        buffer: calibration buffer on which the largest numbers of each part are measured, for a
            bundle that does not hold them; None to leave them unknown.

    Returns:
        What was made; None where the backend needs nothing.

    Raises:
        QuantVLAError: backend, bundle or buffer cannot be used, or the machine will not do.
    """
    found = find_backend(backend)
    with Bar("building", 1.0) as bar:
        if buffer is not None:
            from calib_tools.build.ranges import measured_largest

            if not options.without_gpu:
                found.check(Options())  # before minutes of measuring
            bar.show(0.0, "measure the largest numbers")
            options = replace(options, largest=measured_largest(bundle, buffer))
        shown = replace(options, progress=lambda text, share: bar.show(share, text), say=bar.note)
        return found.build(bundle, shown)
