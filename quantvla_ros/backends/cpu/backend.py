# SPDX-License-Identifier: Apache-2.0
"""The backend `cpu`: integer products by our kernels or oneDNN, the rest compiled by inductor.

Imports torch only to load, so that the node can ask what machine this is without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, Fact, Options
from quantvla_ros.backends.cpu.compiler import check_compiler
from quantvla_ros.backends.cpu.fingerprint import same_arithmetic
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import cpu_kind

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.runner import NetworkRunner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision

GROUP_STEP = 4  # the kernels read four inputs side by side


class CpuBackend(Backend):
    """Activations per token, on the grid that this CPU multiplies exactly; proved at each load."""

    name = "cpu"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: groups of inputs that the kernels can read."""
        if precision.group is not None and precision.group % GROUP_STEP:
            return f"a group of {precision.group} inputs; give a multiple of {GROUP_STEP}"
        return None

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 7 on x86 without VNNI where weights have 8 bits, else 8."""
        from quantvla_ros.backends.cpu.kernels import native_activation_bits

        return native_activation_bits(*precisions)

    def target(self) -> str:
        """See `Backend`: the architecture and its multiplying units."""
        return cpu_kind()

    def facts(self) -> list[Fact]:
        """See `Backend`: the integer units, and the compilers of policies and kernels."""
        from quantvla_ros.backends.cpu.facts import c_compiler, cpp_compiler, integer_units

        return [integer_units(), cpp_compiler(), c_compiler()]

    def same_arithmetic(self, first: str, second: str) -> bool:
        """See `Backend`: kernels that are proved equal may stand in for each other."""
        return same_arithmetic(first, second)

    def check(self, options: Options) -> None:
        """See `Backend`: compiled policies need a C++ compiler."""
        if options.compiled:
            check_compiler()

    def prepare(self, options: Options) -> None:
        """See `Backend`: the C kernels and, for compiled policies, a place for their code."""
        from quantvla_ros.backends.cpu.c_library import load_library
        from quantvla_ros.backends.cpu.compiled import check_can_compile

        load_library()
        if options.compiled:
            check_can_compile()

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> NetworkRunner:
        """See `Backend`: packs the integer layers, then compiles."""
        import torch

        from quantvla_ros.backends.cpu.compiled import CompiledRunner
        from quantvla_ros.backends.cpu.packing import pack_network
        from quantvla_ros.backends.runner import NetworkRunner
        from quantvla_ros.models.families import find_family
        from quantvla_ros.models.stored import widen
        from quantvla_ros.quantization.quantized_linear import quantized_layers

        for name, layer in quantized_layers(network).items():
            if why := self.supports(layer.precision):
                raise BackendError(f"layer '{name}' does not run on backend 'cpu': {why}")
        widen(network)  # float products are float32 here; counted by `weight_bytes`
        family = find_family(bundle.manifest.family)
        kernel = pack_network(network, family.siblings(network), family.unused(network))
        if options.compiled:
            noise = torch.zeros(1, *bundle.manifest.noise_shape)
            return CompiledRunner(network, kernel, example, noise)
        return NetworkRunner(network, kernel)


BACKEND = CpuBackend()
