# SPDX-License-Identifier: Apache-2.0
"""`quantvla build`: what a backend needs beside a bundle's weights on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calib_tools.common.progress import Bar
from quantvla_ros.backends.base import BuildOptions
from quantvla_ros.backends.registry import find_backend

_PLAIN = BuildOptions()


def build(bundle: Path, backend: str, options: BuildOptions = _PLAIN) -> Path | None:
    """Build, with a bar.

    Args:
        bundle: directory of a float or quantized bundle.
        backend: name of the backend.
        options: how; progress and sentences go to the bar.

    Returns:
        What was made; None where the backend needs nothing.

    Raises:
        QuantVLAError: backend or bundle cannot be used, or the machine will not do.
    """
    found = find_backend(backend)
    with Bar("building", 1.0) as bar:
        shown = replace(options, progress=lambda text, share: bar.show(share, text), say=bar.note)
        return found.build(bundle, shown)
