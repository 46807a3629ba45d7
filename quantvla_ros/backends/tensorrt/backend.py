# SPDX-License-Identifier: Apache-2.0
"""The backend `tensorrt`: INT8 products and the float rest in engines built for this very machine.

Imports neither torch nor TensorRT before it builds or loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, BuildOptions, Fact, Options
from quantvla_ros.backends.tensorrt.machine import this_machine
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.base import Runner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision


class TensorRTBackend(Backend):
    """One fixed range a tensor; runs what `quantvla build` made on this machine."""

    name = "tensorrt"
    activations = "static"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: what stock TensorRT multiplies."""
        from quantvla_ros.backends.tensorrt.refusals import why_not

        return why_not(precision)

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 8 always."""
        return 8

    def target(self) -> str:
        """See `Backend`: TensorRT, GPU and the release of the Jetson's software."""
        return str(this_machine())

    def facts(self) -> list[Fact]:
        """See `Backend`: JetPack, TensorRT, GPU, CUDA, power and swap."""
        from quantvla_ros.backends.tensorrt.facts import facts

        return facts()

    def build(self, path: Path, options: BuildOptions) -> Path:
        """See `Backend`: two engines and their record."""
        from quantvla_ros.backends.tensorrt.engines import build_engines

        return build_engines(path, self.engine_folder(path), this_machine(), options)

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> Runner:
        """See `Backend`."""
        raise BackendError("this version does not run engines yet; choose another backend")


BACKEND = TensorRTBackend()
