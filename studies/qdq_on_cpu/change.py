# SPDX-License-Identifier: Apache-2.0
"""`BUNDLE@qdq` in an evaluation: the ONNX files of its graphs, written before workers begin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from torch import nn

    from quantvla_ros.models.family import Family

CHANGE = "qdq"


@dataclass(frozen=True)
class PlayedAsEngine:
    """The bundle as it is, on another backend; `identity` is the hash of its graphs' files."""

    identity: str
    label: str = CHANGE
    backend: str | None = "qdq_on_cpu"

    def apply(self, network: nn.Module, family: Family) -> None:
        """Nothing is changed."""


def read_change(wanted: str, bundle: Path, bundle_sha256: str) -> PlayedAsEngine:
    """Write the graphs of a bundle anew, before any worker needs them.

    Raises:
        QuantVLAError: another change was asked for, or onnxruntime is missing.
    """
    if wanted != CHANGE:
        raise QuantVLAError(f"Unknown way '@{wanted}' to run '{bundle}'; write @{CHANGE}.")
    try:
        import onnxruntime  # noqa: F401

        from quantvla_ros.backends.base import BuildOptions
        from quantvla_ros.bundle.storage import file_hash
        from studies.qdq_on_cpu.backend import BACKEND, GRAPHS
    except ImportError as error:
        raise QuantVLAError(
            f"onnxruntime is missing ({error}); run this in the environment that "
            "`.ci/make_tensorrt_check` makes, .venv-tensorrt."
        ) from error
    folder = BACKEND.build(bundle, BuildOptions())
    return PlayedAsEngine(" ".join(file_hash(folder / f"{name}.onnx") for name in GRAPHS))
