# SPDX-License-Identifier: Apache-2.0
"""Which kind of float each part of a policy is computed in, where it is not integer."""

from __future__ import annotations

from collections.abc import Mapping

import torch

KINDS = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def choose_precision(
    parts: Mapping[str, float | None], asked: str = "auto"
) -> dict[str, torch.dtype]:
    """The kind of float of each part.

    Args:
        parts: largest magnitude that calibration saw in each part; None where it is not known.
        asked: "auto", or a key of `KINDS` for all parts.

    Raises:
        BackendError: float16 was asked for and would overflow; names the part and the value.
    """
    raise NotImplementedError
