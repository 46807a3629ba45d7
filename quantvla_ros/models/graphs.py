# SPDX-License-Identifier: Apache-2.0
"""A network as two graphs of fixed shapes, as compilers of engines take it.

Nothing in them depends on an observation but numbers: no masks of bool, no pictures of uint8, no
running sums. What follows from masks alone (positions, rotary tables, additive masks) is made on
the host once an observation and given as inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

NOISY_CHUNK, VELOCITY = "x_t", "velocity"
"""The chunk under way among the step's inputs, and the step's one output."""


@dataclass(frozen=True)
class Graph:
    """One of the two.

    Attributes:
        module: called with the inputs in order; returns a tensor or a tuple in order. It holds the
            network as `network`, whose modules keep their names.
        inputs: names; floats or int32, batch axis of one.
        outputs: names.
        part: the part (see `Graphs.parts`) of what is computed outside all named modules.
        tensorrt: oldest version of TensorRT that builds it, if the backend's own will not do.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    part: str
    tensorrt: tuple[int, int] | None = None

    def named(self, found: Tensor | tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What its module returns, by the outputs' names; a tensor alone is one output."""
        several = found if isinstance(found, tuple) else (found,)
        return dict(zip(self.outputs, several, strict=True))


class HostInputs(NamedTuple):
    """What the host makes of one observation, by name.

    Attributes:
        context: all inputs of the context graph.
        step: inputs of the step graph that stay the same for the whole chunk.
    """

    context: dict[str, Tensor]
    step: dict[str, Tensor]


@dataclass(frozen=True)
class Graphs:
    """A family's description of its network as two graphs.

    The step's inputs are `NOISY_CHUNK`, the names that `time` and `host` give, and every output of
    the context graph under its own name.

    Attributes:
        context: once an observation.
        step: once a step of the flow; its output is `VELOCITY`.
        host: from the network's inputs (see `Network.encode`) to those of the graphs.
        time: the step's inputs that a flow time [1] alone changes.
        parts: name of the part of each module, by the beginning of its name; a part has one kind
            of float.
        no_fp16: parts that float16 cannot hold whatever calibration saw, each with the reason, a
            clause without a full stop.
    """

    context: Graph
    step: Graph
    host: Callable[[Mapping[str, Tensor]], HostInputs]
    time: Callable[[Tensor], dict[str, Tensor]]
    parts: Mapping[str, str]
    no_fp16: Mapping[str, str] = field(default_factory=dict)

    @property
    def part_names(self) -> list[str]:
        """All parts that there are, sorted."""
        return sorted({self.context.part, self.step.part, *self.parts.values()})

    def part_of(self, module: str, otherwise: str) -> str:
        """The part of a module of the network; `otherwise` where no name fits."""
        fitting = [start for start in self.parts if module.startswith(start)]
        return self.parts[max(fitting, key=len)] if fitting else otherwise
