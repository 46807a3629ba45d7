# SPDX-License-Identifier: Apache-2.0
"""Figures of an evaluation as SVG text: forest plots, and the moments of failure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib_tools.report.plots import FLOAT_COLOUR, INT8_COLOUR, drawing, svg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = 4


def forest_figure(rows: Sequence[tuple[str, float, float, float]], label: str, zero: bool) -> str:
    """Estimates with their intervals, one above the other.

    Args:
        rows: name, estimate, lower and upper end, each in per cent or points.
        label: of the axis.
        zero: draw the line of no difference.
    """
    from matplotlib import pyplot

    with drawing():
        height = 0.9 + 0.32 * len(rows)
        figure, axis = pyplot.subplots(figsize=(9, height))
        figure.subplots_adjust(0.36, 0.55 / height, 0.98, 1 - 0.15 / height)
        for place, (_, value, low, high) in enumerate(reversed(rows)):
            axis.plot([low, high], [place, place], color=FLOAT_COLOUR, linewidth=2)
            axis.plot([value], [place], "o", color=INT8_COLOUR, markersize=5)
        axis.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        if zero:
            axis.axvline(0, color="black", linewidth=0.8)
        axis.set_xlabel(label)
        return svg(figure)


def failure_figure(failures: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The last picture of each failed episode, with what was asked and what was moved.

    Args:
        failures: variant, index and GIF, and the episode's instruction and first moved thing.
        folder: that the GIFs' names begin from.
    """
    from matplotlib import pyplot

    rows = -(-len(failures) // _COLUMNS)
    with drawing():
        figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(12, 2.3 * rows), squeeze=False)
        figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.45 / (2.3 * rows), 0.05, 0.35)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, failure in zip(axes.flat, failures, strict=False):
            axis.imshow(last_frame(folder / failure["gif"]))
            moved = failure["fault"] or f"moved {failure['first_moved'] or 'nothing'}"
            title = f"{failure['variant']}, {failure['index']}: {moved}, {failure['seconds']:.1f} s"
            axis.set_title(f"{title}\n{failure['instruction']}", fontsize=6.5)
        return svg(figure)


def last_frame(path: Path) -> NDArray[np.uint8]:
    """The last picture of a GIF, uint8 [height, width, 3]."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.seek(getattr(picture, "n_frames", 1) - 1)
        return np.asarray(picture.convert("RGB"))
