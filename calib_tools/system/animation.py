# SPDX-License-Identifier: Apache-2.0
"""demo.gif: what both cameras saw, with the instruction above."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calib_tools.system.trace import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

LIMIT_BYTES = 4_000_000
SCALE = 2
_BAND = 22  # pixels for the text
_GAP = 4
_SETTINGS = ((2, 128), (2, 64), (3, 64), (4, 48), (6, 32), (10, 32), (20, 16))
"""Every how manieth frame, and how many colours: from good to small."""


def compose(frame: Frame) -> Image:
    """Front and wrist picture side by side, enlarged, under the instruction."""
    from PIL import Image, ImageDraw

    height, width = frame.front.shape[0] * SCALE, frame.front.shape[1] * SCALE
    side = frame.wrist.shape[1] * SCALE
    canvas = Image.new("RGB", (width + _GAP + side, _BAND + height), "white")
    for pixels, left in ((frame.front, 0), (frame.wrist, width + _GAP)):
        picture = Image.fromarray(pixels)
        size = (picture.width * SCALE, picture.height * SCALE)
        canvas.paste(picture.resize(size, Image.Resampling.BICUBIC), (left, _BAND))
    ImageDraw.Draw(canvas).text((4, 5), frame.instruction or "(no instruction)", fill="black")
    return canvas


def animation(frames: Sequence[Frame], limit_bytes: int = LIMIT_BYTES) -> bytes:
    """A GIF in real time, as good as fits into the limit.

    Args:
        frames: at the cameras' rate, in their order; at least one.
        limit_bytes: largest size.
    """
    data = b""
    for every, colours in _SETTINGS:
        data = _gif(frames[::every], every, colours)
        if len(data) <= limit_bytes:
            break
    return data


def _gif(frames: Sequence[Frame], every: int, colours: int) -> bytes:
    from PIL.Image import Quantize

    # The octree takes the same short time for every picture; the median cut does not.
    pictures = [compose(frame).quantize(colours, Quantize.FASTOCTREE) for frame in frames]
    stamps = [frame.stamp for frame in frames]
    usual = sorted(b - a for a, b in itertools.pairwise(stamps))
    step = usual[len(usual) // 2] if usual else 0.1 * every
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=max(20, round(step * 1000)),
        loop=0,
        optimize=True,
    )
    return stream.getvalue()
