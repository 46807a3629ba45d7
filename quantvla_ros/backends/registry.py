# SPDX-License-Identifier: Apache-2.0
"""The backends there are: this package's own, and those of other installed packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantvla_ros.registry import Registry

if TYPE_CHECKING:
    from quantvla_ros.backends.base import Backend

DEFAULT, YARDSTICK = "cpu", "reference"
BACKENDS: Registry[Backend] = Registry(
    kind="backend",
    group="quantvla_ros.backends",
    bundled={
        "cpu": "quantvla_ros.backends.cpu.backend:BACKEND",
        "openvino": "quantvla_ros.backends.openvino.backend:BACKEND",
        "reference": "quantvla_ros.backends.reference.backend:BACKEND",
        "tensorrt": "quantvla_ros.backends.tensorrt.backend:BACKEND",
    },
)


def find_backend(name: str) -> Backend:
    """The backend of this name; only its module is imported, which loads no heavy library.

    Raises:
        QuantVLAError: there is no such backend, or it cannot be imported.
    """
    return BACKENDS.find(name)
