# SPDX-License-Identifier: Apache-2.0
"""The optional packages of this backend: whether they are here, and their versions. No torch."""

from __future__ import annotations

import platform
from importlib import metadata

from quantvla_ros.errors import BackendError
from quantvla_ros.processor import ARM, cpu_flags

NEEDED = ("openvino", "onnx", "onnxscript")
"""The runtime, and what writes the graphs that it reads."""
REMEDY = "pip install -r requirements/openvino.txt"


def missing() -> list[str]:
    """Those of `NEEDED` that are not installed."""
    return [name for name in NEEDED if not _version(name)]


def version() -> str:
    """OpenVINO's version without its build number; empty if it is not installed."""
    return _version("openvino")


def versions() -> str:
    """Of all packages that a compiled graph depends on, in one line."""
    return " ".join(f"{name} {_version(name)}" for name in (*NEEDED, "torch"))


def why_not_exact() -> str | None:
    """Why it cannot multiply 8-bit integers exactly on this processor; None if it can.

    A load proves it, whatever this says.
    """
    if platform.machine() == ARM or cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8"}:
        return None
    return "without VNNI OpenVINO's sums of pairs of 8-bit products saturate in silence"


def check() -> None:
    """Refuse to go on without the packages.

    Raises:
        BackendError: names them and the command that installs them.
    """
    if lacking := missing():
        raise BackendError(
            f"the backend 'openvino' needs {' and '.join(lacking)}, not installed here: {REMEDY}"
        )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
