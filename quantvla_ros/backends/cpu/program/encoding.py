# SPDX-License-Identifier: Apache-2.0
"""From steps to instructions, once every tensor has its address."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from torch import Tensor

from quantvla_ros.backends.cpu.engine import layers, operations
from quantvla_ros.backends.cpu.engine.instructions import (
    Activation,
    Epilogue,
    Function,
    Grid,
    Heads,
    Instruction,
    Rows,
    Segment,
)
from quantvla_ros.backends.cpu.program.steps import Step
from quantvla_ros.backends.cpu.program.strides import axes, row_axes

Address = Callable[[Tensor], int]
MOST_AXES = 4


def encode(step: Step, address: Address) -> list[Instruction]:
    """Instructions of a step, nearly always one.

    Args:
        step: any but those that PyTorch carries out.
        address: where a tensor begins.
    """
    return _ENCODERS[step.op](step, address)


def _rows(tensor: Tensor, address: Address, *alike: Tensor) -> tuple[Rows, tuple[int, int, int]]:
    """A tensor as rows in two levels, with the count, the width and the inner rows.

    Args:
        tensor: [..., width].
        address: see `encode`.
        alike: further tensors of its shape that the same two levels must fit.
    """
    levels = row_axes(tensor, *alike)
    count, width = tensor.numel() // tensor.shape[-1], tensor.shape[-1]
    if len(levels) < 2:
        outer = levels[0][1] if levels else width
        return Rows(address(tensor), outer), (count, width, 1)
    return Rows(address(tensor), levels[0][1], levels[1][1]), (count, width, levels[1][0])


def _address(step: Step, name: str, address: Address) -> int:
    return address(step.reads[name]) if name in step.reads else 0


def _grid(step: Step, tensors: dict[str, Tensor], address: Address) -> Grid:
    settings = step.settings
    form = (settings["limit"], settings["step"], settings["block"]) if "limit" in settings else ()
    grid = tensors["grid"]
    return Grid(address(grid), grid.stride(0), address(tensors["steps"]), *form)


def _norm(step: Step, address: Address) -> list[Instruction]:
    x, out, settings = step.reads["x"], step.writes.get("out"), step.settings
    grid = _grid(step, dict(step.writes), address) if "grid" in step.writes else None
    if settings["heads"]:
        # Rows of heads, of which each has a gain of its own: the heads are the inner rows.
        tokens, heads, width = x.shape
        shape = tokens * heads, width, heads
        source = Rows(address(x), x.stride(0), x.stride(1))
        to = None if out is None else Rows(address(out), out.stride(0), out.stride(1))
    else:
        alike = [] if out is None else [out]
        source, shape = _rows(x, address, *alike)
        to = None if out is None else _rows(out, address, x)[0]
    gain = operations.Gain(
        _address(step, "gain", address),
        _address(step, "shift", address),
        settings["offset"],
        step.reads["gain"].stride(0) if settings["heads"] else 0,
    )
    return [operations.norm(source, shape, gain, settings["eps"], to, grid, settings["centred"])]


def _quantize(step: Step, address: Address) -> list[Instruction]:
    source, shape = _rows(step.reads["x"], address)
    return [operations.quantize(source, shape, _grid(step, dict(step.writes), address))]


def _epilogue(step: Step, rows: int, address: Address) -> Epilogue:
    residual = step.reads.get("residual")
    period = 0 if residual is None or residual.shape[0] in (1, rows) else residual.shape[0]
    stride = 0 if residual is None or residual.shape[0] == 1 else residual.stride(0)
    return Epilogue(
        _activation(step),
        gate=_address(step, "gate", address),
        residual=_address(step, "residual", address),
        residual_stride=stride,
        period=period,
    )


def _activation(step: Step) -> Activation:
    return Activation[(step.settings["activation"] or "none").upper()]


def _integer_linear(step: Step, address: Address) -> list[Instruction]:
    out = step.writes["out"]
    grid = _grid(step, dict(step.reads), address)
    to, end = Rows(address(out), out.stride(0)), _epilogue(step, out.shape[0], address)
    return [layers.integer_linear(grid, out.shape[0], step.weights, to, end)]


def _float_linear(step: Step, address: Address) -> list[Instruction]:
    x, out = step.reads["x"], step.writes["out"]
    to, end = Rows(address(out), out.stride(0)), _epilogue(step, out.shape[0], address)
    source = Rows(address(x), x.stride(0))
    return [layers.float_linear(source, out.shape[0], step.weights, to, end)]


def _heads(tensor: Tensor, address: Address) -> Heads:
    """Of a tensor [heads, tokens, E]."""
    return Heads(address(tensor), tensor.stride(1), tensor.stride(0))


def _attention(step: Step, address: Address) -> list[Instruction]:
    reads = step.reads
    query, segments = reads["q"], []
    for number in (1, 2):
        if f"k{number}" in reads:
            key = reads[f"k{number}"]
            value = address(reads[f"v{number}"])
            segments.append(Segment(key.shape[1], _heads(key, address), value))
    shape = query.shape[1], query.shape[0], reads["k1"].shape[0], query.shape[2]
    bias = operations.Bias()
    if "bias" in reads:
        mask = reads["bias"]
        strides = [mask.stride(i) if mask.shape[i] > 1 else 0 for i in (1, 0)]
        bias = operations.Bias(address(mask), *strides)
    out = _heads(step.writes["out"], address)
    scale = step.settings["scale"]
    return [
        operations.attention(_heads(query, address), shape, segments, out, scale, bias),
    ]


def _rotary(step: Step, address: Address) -> list[Instruction]:
    x, cos, sin = (step.reads[name] for name in ("x", "cos", "sin"))
    heads, tokens, width = x.shape
    table = address(cos), address(sin), cos.stride(0)
    out = _heads(step.writes["out"], address)
    return [operations.rotary(_heads(x, address), (tokens, heads, width), table, out)]


def _convolution(step: Step, address: Address) -> list[Instruction]:
    x, out, settings = step.reads["x"], step.writes["out"], step.settings
    picture = layers.Picture(address(x), tuple(x.shape), x.stride())  # type: ignore[arg-type]
    window = layers.Window(tuple(settings["kernel"]), settings["stride"], settings["padding"])
    return [
        layers.convolution(
            picture,
            window,
            step.weights,
            Rows(address(out), out.stride(3)),
            address(step.writes["scratch"]),
            _activation(step),
        )
    ]


def _group_norm(step: Step, address: Address) -> list[Instruction]:
    x, out, settings = step.reads["x"], step.writes["out"], step.settings
    batch, channels, height, width = x.shape
    gain = operations.Gain(_address(step, "gain", address), _address(step, "shift", address))
    shape = batch, height * width, channels, settings["groups"]
    source, to = (Rows(address(t), t.stride(3)) for t in (x, out))
    return [operations.group_norm(source, shape, gain, settings["eps"], to, _activation(step))]


def _map(step: Step, address: Address) -> list[Instruction]:
    operands = [step.reads[name] for name in ("a", "b") if name in step.reads]
    out = step.writes["out"]
    found = axes(*operands, out)
    shape = [axis[0] for axis in found]
    strided = [
        operations.Strided(address(tensor), [axis[place] for axis in found])
        for place, tensor in enumerate((*operands, out), 1)
    ]
    first, to = strided[0], strided[-1]
    other = strided[1] if len(operands) == 2 else step.settings["scalar"]
    function = Function[step.settings["function"].upper()]
    return [operations.elementwise(function, shape, first, to, other)]


def _copy(step: Step, address: Address) -> list[Instruction]:
    x, out = step.reads["x"], step.writes["out"]
    item = x.element_size()
    found = axes(x, out)
    far, near = found[:-MOST_AXES], found[-MOST_AXES:]
    made = []
    for place in itertools.product(*(range(axis[0]) for axis in far)):
        offsets = [
            item * sum(i * axis[side] for i, axis in zip(place, far, strict=True))
            for side in (1, 2)
        ]
        source, to = (
            operations.Strided(address(tensor) + offset, [axis[side] for axis in near])
            for side, tensor, offset in ((1, x, offsets[0]), (2, out, offsets[1]))
        )
        made.append(operations.copy([axis[0] for axis in near], source, to, item))
    return made


def _softmax(step: Step, address: Address) -> list[Instruction]:
    source, shape = _rows(step.reads["x"], address)
    return [operations.softmax(source, shape, _rows(step.writes["out"], address)[0])]


def _embedding(step: Step, address: Address) -> list[Instruction]:
    ids, table, out = step.reads["ids"], step.reads["table"], step.writes["out"]
    rows = Rows(address(table), table.stride(0))
    shape = out.shape[0], out.shape[1], table.shape[0]
    to = Rows(address(out), out.stride(0))
    given = address(ids), ids.element_size()
    return [operations.embed(given, rows, shape, to, step.settings["scale"], table.dtype)]


def _hadamard(step: Step, address: Address) -> list[Instruction]:
    x, out = step.reads["x"], step.writes["out"]
    shape = x.shape[0], x.shape[1], step.settings["block"]
    source, to = (Rows(address(t), t.stride(0)) for t in (x, out))
    return [operations.hadamard(source, shape, to)]


_ENCODERS: dict[str, Callable[[Step, Address], list[Instruction]]] = {
    "norm": _norm,
    "quantize": _quantize,
    "integer_linear": _integer_linear,
    "float_linear": _float_linear,
    "attention": _attention,
    "rotary": _rotary,
    "convolution": _convolution,
    "group_norm": _group_norm,
    "map": _map,
    "copy": _copy,
    "softmax": _softmax,
    "embedding": _embedding,
    "hadamard": _hadamard,
}
