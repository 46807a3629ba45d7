# SPDX-License-Identifier: Apache-2.0
"""Whether a camera still shows what the policy was calibrated on: statistics that cost little.

A camera that is black, covered, dazzled, turned, or another one moves an arm just as well as the
right one does. Light, moved objects and a camera that was knocked by some centimetres must pass.
docs/explanation/camera-check.md says how the shares below were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.calibration import LAYOUT_CELLS, CameraStatistics, MeanSpread

Picture = NDArray[np.uint8]

SAMPLED = 48
"""Pixels looked at along one side of a picture, about."""
DARKEST = 0.25
"""Share of the calibrated brightness that is left at least; the same share of what lies between it
and white is left at the other end."""
FLATTEST = 0.2
"""Share of the calibrated contrast that is left at least."""
FARTHEST_COLOUR = 0.15
"""Largest difference of the share of red, green or blue in the light."""
UNLIKE = 0.3
"""Share of the calibrated likeness of the layout that is left at least."""
_WHITE = 255.0
_SPREADS = 2.0  # a buffer that varies by itself is compared less strictly


class Features(NamedTuple):
    """Of one picture; as in `CameraStatistics`. The layout of a picture without any is zero."""

    brightness: float
    contrast: float
    colour: NDArray[np.float64]
    layout: NDArray[np.float64]


def features(picture: Picture) -> Features:
    """Measure one picture, uint8 [height, width, 3], of any size; takes some 50 us."""
    height, width = picture.shape[:2]
    sample = picture[:: max(1, height // SAMPLED), :: max(1, width // SAMPLED)].astype(np.float32)
    light = sample.mean(axis=(0, 1), dtype=np.float64)
    rows = np.array_split(sample.mean(axis=2), LAYOUT_CELLS, axis=0)
    cells = np.array(
        [
            cell.mean() if cell.size else 0.0
            for row in rows
            for cell in np.array_split(row, LAYOUT_CELLS, axis=1)
        ]
    )
    contrast = float(cells.std())
    return Features(
        float(light.mean()),
        contrast,
        light / max(float(light.sum()), 1.0),
        _unit(cells - cells.mean()),
    )


def camera_statistics(pictures: Sequence[Picture]) -> CameraStatistics:
    """Measure the pictures of one camera, one at least."""
    measured = [features(picture) for picture in pictures]
    layouts = np.array([m.layout for m in measured])
    layout = _unit(layouts.mean(axis=0))
    return CameraStatistics(
        brightness=_mean_spread([m.brightness for m in measured]),
        contrast=_mean_spread([m.contrast for m in measured]),
        colour=np.mean([m.colour for m in measured], axis=0).round(4).tolist(),
        layout=layout.astype(np.float64).round(4).tolist(),
        likeness=round(float((layouts @ layout).mean()), 4),
    )


def unlike(known: CameraStatistics, picture: Picture) -> str:
    """Say in words how a picture differs from all that the policy was calibrated on; or nothing."""
    found = features(picture)
    brightness, contrast = known.brightness, known.contrast
    darkest = DARKEST * max(0.0, brightness.mean - _SPREADS * brightness.spread)
    brightest = _WHITE - DARKEST * max(0.0, _WHITE - brightness.mean - _SPREADS * brightness.spread)
    if found.brightness < darkest or found.brightness > brightest:
        return (
            f"its picture is too {'dark' if found.brightness < darkest else 'bright'}: brightness "
            f"{found.brightness:.0f} of 255, calibrated at {brightness.mean:.0f}"
        )
    if found.contrast < FLATTEST * max(0.0, contrast.mean - _SPREADS * contrast.spread):
        return (
            f"its picture shows nothing, as if it were covered: contrast {found.contrast:.1f}, "
            f"calibrated at {contrast.mean:.1f}"
        )
    colour = np.asarray(known.colour)
    farthest = int(np.abs(found.colour - colour).argmax())
    if abs(found.colour[farthest] - colour[farthest]) > FARTHEST_COLOUR:
        return (
            f"its colours differ: {100 * found.colour[farthest]:.0f} % "
            f"{('red', 'green', 'blue')[farthest]}, calibrated at {100 * colour[farthest]:.0f} %"
        )
    likeness = float(found.layout @ np.asarray(known.layout))
    if likeness < UNLIKE * known.likeness:
        return (
            "its picture is bright and dark in other places, as if it were another camera's or "
            f"turned: likeness {likeness:.2f}, calibrated at {known.likeness:.2f}"
        )
    return ""


def _mean_spread(values: Sequence[float]) -> MeanSpread:
    return MeanSpread(mean=round(float(np.mean(values)), 3), spread=round(float(np.std(values)), 3))


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(values))
    # Of a picture that is all alike only rounding errors would be left.
    return values / length if length > 1e-3 else np.zeros_like(values)
