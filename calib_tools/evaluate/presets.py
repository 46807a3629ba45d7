# SPDX-License-Identifier: Apache-2.0
"""Named settings of an evaluation: how hard the episodes are, apart from task and shift.

`hard` is the one that comparisons of number formats use. Tune it here and nowhere else. What tells
good numbers from bad is few denoise steps: the error of one is not mended by those after it.
Clutter does not: with more objects around, the float policy loses as much as the coarse ones do.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantvla_ros.errors import QuantVLAError


@dataclass(frozen=True)
class Preset:
    """What a named setting changes.

    Attributes:
        shifts: of the simulated robot, on top of those that were asked for.
        denoise_steps: Euler steps of the flow; the bundle's own when None.
        max_seconds: simulation time after which an episode has failed.
    """

    shifts: tuple[str, ...]
    denoise_steps: int | None
    max_seconds: float


PRESETS = {
    "normal": Preset(shifts=(), denoise_steps=None, max_seconds=12.0),
    "hard": Preset(shifts=("image_noise",), denoise_steps=2, max_seconds=9.0),
}


def preset(name: str) -> Preset:
    """The setting of this name.

    Raises:
        QuantVLAError: there is none.
    """
    if name not in PRESETS:
        raise QuantVLAError(f"Unknown setting '{name}'; choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]
