# SPDX-License-Identifier: Apache-2.0
"""Which kind of float each part of a policy is computed in, where it is not integer."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import BackendError
from quantvla_ros.models.graphs import Graphs

AUTO = "auto"
KINDS = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_MEND = "choose `--precision auto` or `bf16`"
MARGIN = 8.0
"""How much larger than in calibration the numbers of a part may get before float16 ends."""


def largest_of(manifest: BundleManifest, graphs: Graphs) -> dict[str, float | None]:
    """What calibration saw in each part; None where a bundle does not tell."""
    known = manifest.quantization.largest if manifest.quantization is not None else {}
    return {part: known.get(part) for part in graphs.part_names}


def choose_precision(
    parts: Mapping[str, float | None],
    asked: str = AUTO,
    no_fp16: Mapping[str, str] | None = None,
) -> dict[str, torch.dtype]:
    """The kind of float of each part.

    float16 rounds eight times finer than bfloat16 and is taken where it cannot overflow; bfloat16
    has the range of float32.

    Args:
        parts: largest magnitude that calibration saw in each part; None where it is not known.
        asked: "auto", or a key of `KINDS` for all parts.
        no_fp16: see `Graphs`.

    Raises:
        BackendError: float16 was asked for and may overflow; names the part and the value.
    """
    never = no_fp16 or {}
    if asked != AUTO and asked not in KINDS:
        raise BackendError(f"unknown precision '{asked}'; known: {', '.join((AUTO, *KINDS))}")
    if asked == "fp16":
        for part, largest in parts.items():
            if part in never:
                raise BackendError(f"part '{part}' cannot be float16: {never[part]}; {_MEND}")
            if not _fits(largest):
                raise BackendError(_overflow(part, largest))
    if asked != AUTO:
        return dict.fromkeys(parts, KINDS[asked])
    return {
        part: torch.float16 if _fits(largest) and part not in never else torch.bfloat16
        for part, largest in parts.items()
    }


def _fits(largest: float | None) -> bool:
    return largest is not None and largest * MARGIN <= torch.finfo(torch.float16).max


def _overflow(part: str, largest: float | None) -> str:
    if largest is None:
        return (
            f"nothing is known of the numbers in part '{part}', and float16 may overflow; {_MEND}"
        )
    return (
        f"numbers of part '{part}' reached {largest:.4g} in calibration, and float16 ends at 65504 "
        f"({MARGIN:g} times that is wanted); {_MEND}"
    )
