# SPDX-License-Identifier: Apache-2.0
"""The backend `reference`; imports torch only to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, Options

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.runner import NetworkRunner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision


class ReferenceBackend(Backend):
    """Runs anywhere and slowly; nothing is packed."""

    name = "reference"

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: float32 holds every grid that a bundle has."""
        return 8

    def target(self) -> str:
        """See `Backend`: the arithmetic is the same on every machine."""
        return "any"

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> NetworkRunner:
        """See `Backend`."""
        from quantvla_ros.backends.runner import NetworkRunner
        from quantvla_ros.quantization.quantized_linear import quantized_layers

        return NetworkRunner(network, "reference" if quantized_layers(network) else "float32")


BACKEND = ReferenceBackend()
