# SPDX-License-Identifier: Apache-2.0
"""Ways to damage bytes and YAML; the same generator gives the same damage."""

from __future__ import annotations

import numpy as np

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
