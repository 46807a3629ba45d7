# SPDX-License-Identifier: Apache-2.0
"""Where results go that are pieces of a larger tensor, and in which order what is copied lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.patterns.matching import (
    argument,
    aten,
    calls,
    shape,
    single_user,
)
from quantvla_ros.backends.cpu.program.steps import Level, Memory

_SAME_ORDER = (
    aten.view.default,
    aten.reshape.default,
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.flatten.using_ints,
    aten.unflatten.int,
)
_MAKERS = (markers.linear, markers.gated_linear, markers.embedding, markers.norm)


class Placing:
    """Of one graph: a product that a `cat` alone reads is written into its place at once."""

    def __init__(self, graph: fx.Graph, memory: Memory, levels: Mapping[fx.Node, Level]) -> None:
        self._memory, self._levels = memory, levels
        self._joined: dict[fx.Node, Tensor] = {}
        self._pieces: dict[fx.Node, tuple[fx.Node, int]] = {}
        for node in graph.nodes:
            if calls(node, aten.cat.default):
                self._find_pieces(node)

    def _find_pieces(self, node: fx.Node) -> None:
        axis = argument(node, 1, "dim", 0) % len(shape(node))
        if any(size != 1 for size in shape(node)[:axis]):
            return
        start = 0
        for piece in node.args[0]:  # type: ignore[union-attr]
            maker = piece
            while calls(maker, *_SAME_ORDER) and single_user(maker):  # type: ignore[arg-type]
                maker = maker.args[0]  # type: ignore[union-attr]
            if calls(maker, *_MAKERS) and single_user(maker):  # type: ignore[arg-type]
                self._pieces[maker] = (node, start)  # type: ignore[index]
            start += shape(piece)[axis]  # type: ignore[arg-type]

    def joined(self, node: fx.Node) -> Tensor:
        """The tensor that a `cat` makes."""
        if node not in self._joined:
            self._joined[node] = self._memory.new(shape(node), self._levels[node])
        return self._joined[node]

    def place(self, node: fx.Node) -> Tensor | None:
        """Where a maker's result goes, in its shape; None: wherever there is room.

        Pieces that are made less often than the whole are copied.
        """
        if node not in self._pieces:
            return None
        cat, start = self._pieces[node]
        if self._levels[cat] != self._levels[node]:
            return None
        axis = argument(cat, 1, "dim", 0) % len(shape(cat))
        whole = self.joined(cat)
        inner, count = prod(shape(cat)[axis + 1 :]), prod(shape(node))
        return whole.view(-1)[start * inner : start * inner + count].view(shape(node))

    def is_placed(self, piece: Tensor, whole: Tensor, start: int, axis: int) -> bool:
        """Whether a piece of a `cat` lies where it belongs already."""
        if not piece.is_meta or not self._memory.same(piece, whole):
            return False
        return piece.storage_offset() == start * whole.stride(axis)

    def strides(self, node: fx.Node, sizes: Sequence[int]) -> tuple[int, ...] | None:
        """Of a copy that a convolution reads: channels last; None for the usual order."""
        if not any(calls(user, markers.convolution) for user in node.users):
            return None
        _, channels, height, width = sizes
        return channels * height * width, 1, channels * width, channels
