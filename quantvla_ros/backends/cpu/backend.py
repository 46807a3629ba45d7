# SPDX-License-Identifier: Apache-2.0
"""The backend `cpu`: both graphs of a policy as instructions that our engine carries out.

Imports torch only to load, so that the node can ask what machine this is without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, Fact, Options
from quantvla_ros.backends.cpu.facts import check_engine, engine, integer_units
from quantvla_ros.backends.cpu.fingerprint import same_arithmetic
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import cpu_kind

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.cpu.program.runner import ProgramRunner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision

GROUP_STEP = 4  # the engine reads four inputs side by side


class CpuBackend(Backend):
    """Activations per token, on the grid that this CPU multiplies exactly; proved at each load."""

    name = "cpu"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: groups of inputs that the engine can read."""
        if precision.group is not None and precision.group % GROUP_STEP:
            return f"a group of {precision.group} inputs; give a multiple of {GROUP_STEP}"
        return None

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 7 on x86 without VNNI where weights have 8 bits, else 8."""
        from quantvla_ros.backends.cpu.activation_grid import native_activation_bits

        return native_activation_bits(*precisions)

    def target(self) -> str:
        """See `Backend`: the architecture and its multiplying units."""
        return cpu_kind()

    def facts(self) -> list[Fact]:
        """See `Backend`: the integer units, and where the engine comes from."""
        return [integer_units(), engine()]

    def same_arithmetic(self, first: str, second: str) -> bool:
        """See `Backend`: kernels that are proved equal may stand in for each other."""
        return same_arithmetic(first, second)

    def check(self, options: Options) -> None:
        """See `Backend`: the engine must be there, or a C compiler that can build it."""
        check_engine()

    def prepare(self, options: Options) -> None:
        """See `Backend`: builds the engine where it did not come with the package."""
        from quantvla_ros.backends.cpu.engine.library import load_engine

        self.check(options)
        load_engine()

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> ProgramRunner:
        """See `Backend`: lowers the network to instructions; its tensors are given up for them."""
        import torch

        from quantvla_ros.backends.cpu.engine.library import load_engine
        from quantvla_ros.backends.cpu.program.capture import capture
        from quantvla_ros.backends.cpu.program.release import release
        from quantvla_ros.backends.cpu.program.runner import ProgramRunner
        from quantvla_ros.backends.graphs.export import graphs_of
        from quantvla_ros.quantization.quantized_linear import quantized_layers

        for name, layer in quantized_layers(network).items():
            if why := self.supports(layer.precision):
                raise BackendError(f"layer '{name}' does not run on backend 'cpu': {why}")
        graphs, noise = graphs_of(bundle, network), torch.zeros(1, *bundle.manifest.noise_shape)
        program = capture(network, graphs, example, noise, load_engine())
        release(network, graphs, example)
        return ProgramRunner(program, network, graphs, options.threads)


BACKEND = CpuBackend()
