# SPDX-License-Identifier: Apache-2.0
"""From a bundle's network to the two exported graphs that builders take."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.export import ExportedProgram

from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.models.family import Network
from quantvla_ros.models.graphs import Graphs


def graphs_of(bundle: Bundle, network: Network) -> Graphs:
    """The family's description of the network.

    Raises:
        BackendError: the family has none.
    """
    raise NotImplementedError


def export_graphs(
    bundle: Bundle, network: Network, precision: Mapping[str, torch.dtype]
) -> dict[str, ExportedProgram]:
    """Export "context" and "step" with Q/DQ at the integer layers.

    Inputs are positional and named as `Graph.inputs`, outputs as `Graph.outputs`, in that order.
    Inputs from the host and the velocity are float32 (or int32); what context hands to step is of
    the step's kind.

    Args:
        bundle: what the network was made of.
        network: float or with quantized layers; not changed.
        precision: kind of float of each part (see `precision.choose_precision`).
    """
    raise NotImplementedError


def graph_hash(program: ExportedProgram) -> str:
    """Hash of all operators and constants of a graph, hex."""
    raise NotImplementedError
