# SPDX-License-Identifier: Apache-2.0
"""Norms, with the grids of the integer layers that read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.grids import GridForm, grid_form, new_grid
from quantvla_ros.backends.cpu.program.patterns.matching import aten
from quantvla_ros.backends.cpu.program.strides import are_rows

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering


def _norm(
    low: Lowering, node: fx.Node, x: Any, gain: Any, shift: Any, eps: float, centred: bool,
    offset: float,
) -> Tensor:  # fmt: skip
    source: Tensor = low.value(x)
    per_head = any(row is not None and low.value(row).numel() != source.shape[-1]
                   for row in (gain, shift))  # fmt: skip
    rows = [None if r is None else low.row(node, low.value(r), per_head) for r in (gain, shift)]
    if not are_rows(source):
        source = low.dense(node, source)
    reads = {"x": source, "gain": rows[0], "shift": rows[1]}
    settings = {"eps": eps, "centred": centred, "offset": offset, "heads": per_head}
    form = _form_of_all(low, node)
    if form is not None:
        # Only integer layers read it, all on one grid: its floats are never written.
        level = low.memory.level(reads.values())
        grid, steps = low.grids[(node, form)] = new_grid(low.memory, source, level)
        low.emit("norm", node, reads, {"grid": grid, "steps": steps}, settings | form._asdict())
        return source
    out = low.in_place(x, source, rows)
    if out is None:
        out = low.result(node, source.shape, list(reads.values()))
    writes = {"out": out}
    if per_head:  # [tokens, heads, E]
        reads["x"], writes["out"] = (t[0].transpose(0, 1) for t in (source, out))
    low.emit("norm", node, reads, writes, settings)
    return out


def _form_of_all(low: Lowering, node: fx.Node) -> GridForm | None:
    """The one grid on which all that read a norm read it; None if one reads its floats."""
    forms = {
        grid_form(low.table, user) if node not in user.args[1:] else None for user in node.users
    }
    return forms.pop() if len(forms) == 1 else None


def _softmax(low: Lowering, node: fx.Node, x: Any, dim: int, dtype: Any = None) -> Any:
    source = low.value(x)
    if dim % source.dim() != source.dim() - 1 or dtype is not None:
        return low.by_torch(node)
    source = low.dense(node, source)
    out = low.memory.new(source.shape, low.memory.level([source]))
    low.emit("softmax", node, {"x": source}, {"out": out})
    return out


HANDLERS: dict[Any, Callable[..., Any]] = {markers.norm: _norm, aten.softmax.int: _softmax}
