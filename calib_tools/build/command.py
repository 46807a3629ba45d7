# SPDX-License-Identifier: Apache-2.0
"""`quantvla build`: what a backend needs beside a bundle's weights on this machine."""

from __future__ import annotations

from pathlib import Path

from calib_tools.common.progress import Bar
from quantvla_ros.backends.base import BuildOptions
from quantvla_ros.backends.registry import find_backend


def build(bundle: Path, backend: str, builder: str = "auto", force: bool = False) -> Path | None:
    """Build, with a bar.

    Args:
        bundle: directory of a float or quantized bundle.
        backend: name of the backend.
        builder: name of one of its ways to build, or "auto".
        force: build again what is there already.

    Returns:
        What was made; None where the backend needs nothing.

    Raises:
        QuantVLAError: backend or bundle cannot be used, or the machine will not do.
    """
    found = find_backend(backend)
    with Bar("building", 1.0) as bar:
        options = BuildOptions(
            builder, force, progress=lambda text, share: bar.show(share, text), say=bar.note
        )
        return found.build(bundle, options)
