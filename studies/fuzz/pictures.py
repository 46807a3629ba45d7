# SPDX-License-Identifier: Apache-2.0
"""Small JPEG and PNG pictures as cameras' transports make them, and damaged ones."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies.fuzz.mutation import mutate_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_FITTING_SHARE = 0.8  # of the PNGs get checksums that fit, or nothing else would be tried
_HEIGHT, _WIDTH = 24, 32
_KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("RGB", "JPEG", {}),
    ("RGB", "JPEG", {"progressive": True, "dpi": (72, 72)}),
    ("L", "JPEG", {}),
    ("CMYK", "JPEG", {}),
    ("RGB", "PNG", {}),
    ("RGBA", "PNG", {"dpi": (72, 72)}),
    ("L", "PNG", {}),
    ("P", "PNG", {"transparency": 3}),
)


@functools.cache
def sound_pictures() -> tuple[bytes, ...]:
    """One of each kind that a camera may send."""
    from PIL.Image import fromarray

    pixels = fromarray(_pixels())
    return tuple(_file(pixels.convert(mode), kind, options) for mode, kind, options in _KINDS)


@functools.cache
def deep_picture() -> bytes:
    """A sound PNG of 16 bits, which is refused."""
    from PIL.Image import fromarray

    return _file(fromarray(_pixels()[:, :, 0].astype(np.uint16) << 8), "PNG", {})


def damaged_picture(rng: np.random.Generator) -> bytes:
    """One of all these with a few damages."""
    whole = (*sound_pictures(), deep_picture())
    data = mutate_bytes(whole[int(rng.integers(len(whole)))], rng)
    fitting = data.startswith(_PNG_BEGIN) and rng.random() < _FITTING_SHARE
    return with_checksums(data) if fitting else data


def _pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), dtype=np.uint8)


def _file(picture: Image, kind: str, options: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def with_checksums(png: bytes) -> bytes:
    """The same PNG with a checksum that fits in every chunk, as far as chunks can be told."""
    out = bytearray(png)
    at = len(_PNG_BEGIN)
    while at + 12 <= len(out):
        end = at + 8 + int(struct.unpack_from(">I", out, at)[0])
        if end + 4 > len(out):
            break
        struct.pack_into(">I", out, end, zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)
