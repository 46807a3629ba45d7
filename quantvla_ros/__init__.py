# SPDX-License-Identifier: Apache-2.0
"""Quantized vision-language-action policies that move a robot over ROS 2.

What other programs may use stands here (docs/reference/python-api.md); each name is imported when
it is first asked for, so that this imports neither PyTorch nor ROS.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from quantvla_ros.version import __version__ as __version__

if TYPE_CHECKING:
    from calib_tools.quantize.command import quantize
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.backends.base import Backend
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.bundle.storage import load_bundle
    from quantvla_ros.models.family import Family
    from quantvla_ros.processing.noise import draw_noise
    from quantvla_ros.robot.chunk import Chunk
    from quantvla_ros.robot.observation import Observation

_PLACES = {
    "Backend": "quantvla_ros.backends.base",
    "Chunk": "quantvla_ros.robot.chunk",
    "Family": "quantvla_ros.models.family",
    "Observation": "quantvla_ros.robot.observation",
    "Recipe": "calib_tools.quantize.recipe",
    "draw_noise": "quantvla_ros.processing.noise",
    "load_bundle": "quantvla_ros.bundle.storage",
    "load_policy": "quantvla_ros.backends.policy",
    "quantize": "calib_tools.quantize.command",
}

__all__ = [
    "Backend",
    "Chunk",
    "Family",
    "Observation",
    "Recipe",
    "draw_noise",
    "load_bundle",
    "load_policy",
    "quantize",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
