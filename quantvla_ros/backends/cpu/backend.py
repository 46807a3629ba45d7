# SPDX-License-Identifier: Apache-2.0
"""The backend `cpu`: integer products by our kernels or oneDNN, the rest compiled by inductor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from quantvla_ros.backends.base import Backend, Options
from quantvla_ros.backends.cpu.c_library import load_library
from quantvla_ros.backends.cpu.compiled import CompiledRunner, check_can_compile
from quantvla_ros.backends.cpu.fingerprint import cpu_kind, same_arithmetic
from quantvla_ros.backends.cpu.kernels import native_activation_bits
from quantvla_ros.backends.cpu.packing import pack_network, packed_kernel
from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.models.mini_pi05.roles import unused_layers
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers
from quantvla_ros.quantization.schemes import Precision


class CpuBackend(Backend):
    """Activations per token, on the grid that this CPU multiplies exactly; proved at each load."""

    name = "cpu"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: there is a kernel for every precision, if need be a slow one."""
        return None

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 7 without VNNI where weights have 8 bits, else 8."""
        return native_activation_bits(*precisions)

    def target(self) -> str:
        """See `Backend`: the architecture and its multiplying units."""
        return cpu_kind()

    def same_arithmetic(self, first: str, second: str) -> bool:
        """See `Backend`: kernels that are proved equal may stand in for each other."""
        return same_arithmetic(first, second)

    def check(self, options: Options) -> None:
        """See `Backend`."""
        load_library()
        if options.compiled:
            check_can_compile()

    def load(
        self, bundle: Bundle, network: Any, options: Options, example: Mapping[str, Tensor]
    ) -> NetworkRunner:
        """See `Backend`: packs the integer layers, then compiles."""
        layers, kernel = quantized_layers(network), "float32"
        if layers:
            pack_network(network, frozenset(unused_layers(network.config)))
            kernel = packed_kernel(network) + _activations(list(layers.values()))
        if options.compiled:
            return CompiledRunner(network, kernel, example)
        return NetworkRunner(network, kernel)


def _activations(layers: list[QuantizedLinear]) -> str:
    """The activation grid for the record of kernels; nothing where all activations are float."""
    bits = {m.activation_bits for m in layers if m.precision.activation != "float"}
    return f", {bits.pop()}-bit activations" if bits else ""
