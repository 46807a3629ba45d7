# SPDX-License-Identifier: Apache-2.0
"""Finds what one instruction computes among a graph's operators."""

from __future__ import annotations

import torch
from torch import fx

from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.linear_table import LinearTable
from quantvla_ros.backends.cpu.program.patterns.attention import fuse_attention, fuse_rotary
from quantvla_ros.backends.cpu.program.patterns.convolutions import fuse_convolutions
from quantvla_ros.backends.cpu.program.patterns.linears import fuse_linears
from quantvla_ros.backends.cpu.program.patterns.norms import fuse_norms
from quantvla_ros.backends.cpu.program.patterns.rotary_pairs import fuse_rotary_pairs
from quantvla_ros.backends.cpu.program.patterns.siblings import fuse_siblings

_CHECK = torch.ops.aten._assert_tensor_metadata.default
"""What export leaves beside a cast; no number depends on it."""


def fuse(graph: fx.Graph, constants: Constants, table: LinearTable) -> None:
    """Put one node in the place of every pattern, in place."""
    _drop_checks(graph)
    fuse_rotary(graph)
    fuse_attention(graph)
    fuse_norms(graph)
    fuse_convolutions(graph, constants)
    fuse_linears(graph, constants, table)
    fuse_siblings(graph, table)
    fuse_rotary_pairs(graph)


def _drop_checks(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.target is _CHECK:
            graph.erase_node(node)
