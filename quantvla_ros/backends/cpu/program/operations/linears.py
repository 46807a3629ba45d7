# SPDX-License-Identifier: Apache-2.0
"""Products with weights: of floats, or of grids with integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.grids import grid_form, new_grid
from quantvla_ros.backends.cpu.program.patterns.matching import shape
from quantvla_ros.backends.cpu.program.strides import are_rows

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering


def _linear(
    low: Lowering, node: fx.Node, x: fx.Node, layers: tuple[int, ...], activation: str | None,
    gate: Any, residual: Any,
) -> Tensor:  # fmt: skip
    packed = low.weights.pack([low.table.layers[number] for number in layers])
    row = None if gate is None else low.row(node, low.value(gate))
    added = None if residual is None else low.value(residual)
    if added is not None:
        added = low.dense(node, added)
        added = added.view(-1, added.shape[-1])
    epilogue = {"gate": row, "residual": added}
    return _product(low, node, layers, packed, epilogue, activation)


def _gated_linear(
    low: Lowering, node: fx.Node, x: fx.Node, gate: int, up: int, activation: str
) -> Tensor:
    packed = low.weights.pack_gated(low.table.layers[gate], low.table.layers[up])
    return _product(low, node, (gate, up), packed, {}, activation)


def _product(
    low: Lowering, node: fx.Node, layers: tuple[int, ...], packed: Any,
    epilogue: dict[str, Tensor | None], activation: str | None,
) -> Tensor:  # fmt: skip
    x: fx.Node = node.args[0]  # type: ignore[assignment]
    settings: dict[str, Any] = {"activation": activation}
    form = grid_form(low.table, node)
    if form is None:
        source = _matrix(low, node, low.value(x))
        block = low.table.rotation(layers[0])
        if block is not None:
            source = _rotated(low, node, x, source, block)
        reads: dict[str, Tensor | None] = {"x": source}
    else:
        if (x, form) not in low.grids:
            low.grids[(x, form)] = _quantized(low, node, low.value(x), form)
        grid, steps = low.grids[(x, form)]
        reads = {"grid": grid, "steps": steps}
    reads |= epilogue
    out = low.result(node, shape(node), list(reads.values()))
    kind = "float_linear" if form is None else "integer_linear"
    low.emit(kind, node, reads, {"out": out.view(-1, out.shape[-1])}, settings, packed)
    return out


def _matrix(low: Lowering, node: fx.Node, x: Tensor) -> Tensor:
    """A tensor as rows with one stride between them."""
    view = x.reshape(-1, x.shape[-1])
    if low.memory.same(view, x) and view.stride(-1) == 1:
        return view
    return low.dense(node, x).view(-1, x.shape[-1])


def _rotated(low: Lowering, node: fx.Node, x: fx.Node, source: Tensor, block: int) -> Tensor:
    """The Hadamard transform of floats, once for all that read it."""
    known = low.rotated.get((x, block))
    if known is None:
        known = low.memory.new(source.shape, low.memory.level([source]))
        low.emit("hadamard", node, {"x": source}, {"out": known}, {"block": block})
        low.rotated[(x, block)] = known
    return known


def _quantized(low: Lowering, node: fx.Node, x: Tensor, form: Any) -> tuple[Tensor, Tensor]:
    source = x if are_rows(x) else low.dense(node, x)
    grid, steps = new_grid(low.memory, source, low.memory.level([source]))
    low.emit("quantize", node, {"x": source}, {"grid": grid, "steps": steps}, form._asdict())
    return grid, steps


HANDLERS: dict[Any, Callable[..., Any]] = {
    markers.linear: _linear,
    markers.gated_linear: _gated_linear,
}
