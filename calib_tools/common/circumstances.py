# SPDX-License-Identifier: Apache-2.0
"""What a record says of the machine and of the packages that computed it."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from calib_tools.common.cores import usable_cores
from quantvla_ros import __version__
from quantvla_ros.processor import cpu_model, has_vnni

_PACKAGES = (
    "torch", "openvino", "onnxruntime", "numpy", "mujoco", "ros-jazzy-rclpy",
    "ros-jazzy-rmw-fastrtps-cpp",
)  # fmt: skip


def circumstances() -> dict[str, Any]:
    """The processor and the versions, as records hold them."""
    cpu = {"model": cpu_model(), "vnni": has_vnni(), "cores": usable_cores()}
    return {"cpu": cpu, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of what computed; a package that is not installed is left out."""
    found = {"quantvla_ros": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
