# SPDX-License-Identifier: Apache-2.0
"""Ways to damage bytes, YAML and pictures; the same generator gives the same damage."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


MOST_EDITS = 4
_CHUNK = 64
_EXTREMES = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\x00\x00\xc0\x7f",
)
"""Zero, the largest and smallest integers, NaN: what a damaged length or number looks like."""
_SCALARS = (
    "null", "true", "''", "-1", "0", "1", "1.5", "99999999999", "1.0e+308", ".nan", ".inf",
    "'text'", "[]", "{}", "[1, 2]", "{a: 1}", "2026-01-01", "!!binary 'AA=='", "*nowhere", "\u2028",
)  # fmt: skip


def mutate_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one to four damages: flipped, overwritten, cut, doubled or foreign bytes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, MOST_EDITS + 1))):
        at = int(rng.integers(len(out) + 1))
        length = int(rng.integers(1, _CHUNK))
        match int(rng.integers(6)):
            case 0 if at < len(out):
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                extreme = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
                start = at - at % 4  # lengths and numbers lie at multiples of four
                out[start : start + 4] = extreme
            case 2:
                del out[at:]
            case 3:
                del out[at : at + length]
            case 4:
                out[at:at] = out[at : at + length]
            case _:
                out[at : at + length] = rng.bytes(length)
    return bytes(out)


def mutate_yaml(text: str, rng: np.random.Generator) -> str:
    """A copy with one to four damages: another value, a line lost, doubled, moved or indented."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, MOST_EDITS + 1))):
        if not lines:
            break
        at = int(rng.integers(len(lines)))
        match int(rng.integers(7)):
            case 0 | 1 | 2:
                lines[at] = _with_another_value(lines[at], rng)
            case 3:
                del lines[at]
            case 4:
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            case 5:
                lines[at] = " " * int(rng.integers(1, 5)) + lines[at]
            case _:
                lines[at] = mutate_bytes(lines[at].encode(), rng).decode("utf-8", "replace")
    return "\n".join(lines) + "\n"


def _with_another_value(line: str, rng: np.random.Generator) -> str:
    scalar = _SCALARS[int(rng.integers(len(_SCALARS)))]
    for mark in (": ", "- "):
        key, found, _ = line.rpartition(mark)
        if found:
            return key + mark + scalar
    return line + " " + scalar


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
