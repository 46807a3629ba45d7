# SPDX-License-Identifier: Apache-2.0
"""What the file of a fake-quantized policy says of itself; read without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantvla_ros.errors import QuantVLAError

SUFFIX = ".safetensors"
KEY, KIND = "study", "quantvla study: fake quantization, for no robot"


@dataclass(frozen=True)
class StudyHead:
    """What a study says of itself.

    Attributes:
        bundle_sha256: of the float bundle that it belongs to.
        layers: by name how the layer is computed: bits of its activations, quantile of their grid,
            block of its rotation (None without), whether DuQuant's transform precedes it.
    """

    bundle_sha256: str
    layers: Mapping[str, Mapping[str, Any]]


def read_head(path: Path) -> StudyHead:
    """Read what a study says of itself, without its tensors.

    Raises:
        QuantVLAError: it is no study.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as stored:
            head = json.loads((stored.metadata() or {})[KEY])
        if head["kind"] != KIND:
            raise KeyError(KIND)
        return StudyHead(head["bundle_sha256"], head["layers"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise QuantVLAError(
            f"'{path}' is no study of fake quantization; make one with "
            "`python -m studies.ablation`."
        ) from error
