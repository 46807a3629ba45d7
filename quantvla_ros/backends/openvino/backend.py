# SPDX-License-Identifier: Apache-2.0
"""The backend `openvino`: the very graphs with Q/DQ that engines are built of, on a CPU.

Imports neither torch nor OpenVINO before it loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quantvla_ros.backends.base import Backend, Fact, Options
from quantvla_ros.backends.openvino.library import check, version, why_not_exact
from quantvla_ros.processor import cpu_kind

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.graphs.runner import GraphRunner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision


class OpenVinoBackend(Backend):
    """One fixed range a tensor, 8 bits, float32 around it; proved at each load."""

    name = "openvino"
    activations = "static"

    def supports(self, precision: Precision) -> str | None:
        """See `Backend`: what Q/DQ graphs hold, on a processor that adds products in 32 bits."""
        from quantvla_ros.backends.graphs.refusals import why_not

        return why_not(precision, "OpenVINO") or why_not_exact()

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`: 8 always."""
        return 8

    def target(self) -> str:
        """See `Backend`: the library, the architecture and its multiplying units."""
        return f"OpenVINO {version() or 'missing'}, {cpu_kind()}"

    def facts(self) -> list[Fact]:
        """See `Backend`: the packages, and what they multiply exactly here."""
        from quantvla_ros.backends.openvino.facts import facts

        return facts()

    def check(self, options: Options) -> None:
        """See `Backend`: the optional packages."""
        check()

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> GraphRunner:
        """See `Backend`: compiles both graphs, or takes them from the user's cache."""
        from quantvla_ros.backends.openvino.loading import load_runner

        return load_runner(bundle, network, options.threads)


BACKEND = OpenVinoBackend()
