# SPDX-License-Identifier: Apache-2.0
"""The backend `reference`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from quantvla_ros.backends.base import Backend, Options
from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.quantization.quantized_linear import quantized_layers
from quantvla_ros.quantization.schemes import Precision


class ReferenceBackend(Backend):
    """Runs anywhere and slowly; nothing is compiled or packed."""

    name = "reference"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: everything runs."""
        return None

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: float32 holds every grid that the bundles have."""
        return 8

    def target(self) -> str:
        """See `Backend`: the arithmetic is the same on every machine."""
        return "any"

    def load(
        self, bundle: Bundle, network: Any, options: Options, example: Mapping[str, Tensor]
    ) -> NetworkRunner:
        """See `Backend`."""
        return NetworkRunner(network, "reference" if quantized_layers(network) else "float32")
