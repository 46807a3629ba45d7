# SPDX-License-Identifier: Apache-2.0
"""Runs a network as it stands, and counts the bytes that one holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from quantvla_ros.models.family import Network
from quantvla_ros.quantization.quantized_linear import QuantizedLinear


class NetworkRunner:
    """The two halves of a network, called in eager mode (see `Runner`)."""

    device = "cpu"
    loading_ms = (0.0, 0.0)

    def __init__(self, network: Network, kernel: str) -> None:
        """Take a network over; `kernel` says for records what multiplies in it."""
        self.network, self.kernel = network, kernel
        self.integer_layers = sum(is_integer(m) for m in network.modules())

    def encode(self, inputs: Mapping[str, Tensor]) -> Any:
        """See `Runner`."""
        return self.network.encode(inputs)

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """See `Runner`."""
        return self.network.velocity(x_t, time, context)

    def weight_bytes(self) -> int:
        """See `Runner`: parameters, buffers, and what modules hold in another form."""
        return held_bytes(self.network)

    def layer_bytes(self, names: Sequence[str]) -> int:
        """See `Runner`."""
        return sum(held_bytes(self.network.get_submodule(name)) for name in names)


def is_integer(module: nn.Module) -> bool:
    """Whether a module is a linear that multiplies integers, in whatever form."""
    return isinstance(module, QuantizedLinear) or hasattr(module, "held_bytes")


def held_bytes(module: nn.Module) -> int:
    """Bytes of parameters, buffers and of all that modules tell by an attribute `held_bytes`."""
    tensors = sum(t.nbytes for t in [*module.parameters(), *module.buffers()] if not t.is_meta)
    return tensors + sum(getattr(m, "held_bytes", 0) for m in module.modules())
