# SPDX-License-Identifier: Apache-2.0
"""The backend `tensorrt`: INT8 products and the float rest in engines built for this very machine.

Imports neither torch nor TensorRT before it builds or loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, BuildOptions, Fact, Options
from quantvla_ros.backends.tensorrt.machine import Machine, this_machine

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
    runs_what_it_built = True
    resident = ("all", "sequential")

    def machine(self) -> Machine:
        """The machine that engines are built for and run on."""
        return this_machine()

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: what stock TensorRT multiplies."""
        from quantvla_ros.backends.graphs.refusals import why_not

        return why_not(precision, "TensorRT")

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 8 always."""
        return 8

    def target(self) -> str:
        """See `Backend`: TensorRT, GPU and the release of the Jetson's software."""
        return str(self.machine())

    def facts(self) -> list[Fact]:
        """See `Backend`: JetPack, TensorRT, GPU, CUDA, power and swap."""
        from quantvla_ros.backends.tensorrt.facts import facts

        return facts()

    def build(self, path: Path, options: BuildOptions) -> Path:
        """See `Backend`: two engines and their record."""
        from quantvla_ros.backends.tensorrt.engines import build_engines

        return build_engines(path, self.engine_folder(path), self.machine(), options)

    def check(self, options: Options) -> None:
        """See `Backend`: TensorRT and a GPU."""
        self.machine().check()

    def check_built(self, path: Path) -> None:
        """See `Backend`: the engines are this bundle's and this machine's."""
        from quantvla_ros.backends.tensorrt.engine_record import fitting_record
        from quantvla_ros.bundle.storage import load_manifest

        fitting_record(path, self.engine_folder(path), load_manifest(path), self.machine())

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> Runner:
        """See `Backend`: loads the engines beside the bundle; builds nothing."""
        from quantvla_ros.backends.tensorrt.loading import load_runner

        sequential = options.resident == "sequential"
        folder = self.engine_folder(bundle.path)
        return load_runner(bundle, folder, self.machine(), network, sequential, example)


BACKEND = TensorRTBackend()
