# SPDX-License-Identifier: Apache-2.0
"""Runs a program: the context once a chunk, a step for each velocity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantvla_ros.backends.cpu.program.arena import Block, lay_out
from quantvla_ros.backends.cpu.program.capture import Program
from quantvla_ros.backends.cpu.program.code import Code
from quantvla_ros.backends.cpu.program.steps import Level
from quantvla_ros.backends.runner import held_bytes
from quantvla_ros.models.graphs import NOISY_CHUNK, Graphs


class Context(NamedTuple):
    """The chunk whose context the program's memory holds."""

    number: int


class ProgramRunner:
    """Both graphs of a policy as instructions (see `Runner`)."""

    device = "cpu"
    loading_ms = (0.0, 0.0)

    def __init__(
        self,
        program: Program,
        network: nn.Module,
        graphs: Graphs,
        threads: int,
        reuse: bool = True,
    ) -> None:
        """Lay the program out in memory.

        Args:
            program: of the network.
            network: counted for what it still holds, and called for flow times by `graphs`.
            graphs: of the network.
            threads: of an inference.
            reuse: let tensors that are never needed together share memory.
        """
        self.network, self._program, self._graphs = network, program, graphs
        self.threads, weights = threads, program.weights
        self.kernel, self.integer_layers = weights.kernel, program.integer_layers
        inputs = [*program.context.values(), *program.step.values()]
        layout = lay_out(program.memory, program.tapes, inputs, [program.velocity], reuse)
        block = self._block = Block(program.memory, layout)
        self.code = {level: Code(t, block, weights.engine) for level, t in program.tapes.items()}
        self._context = {name: block.view(t) for name, t in program.context.items()}
        self._step = {name: block.view(t) for name, t in program.step.items()}
        self._velocity = block.view(program.velocity)
        self._here = block.times()
        self._times: dict[float, Tensor] = {}
        self._time: float | None = None
        self._chunk = 0
        self.code[Level.CONSTANT].run(threads)  # what weights alone make, such as learned queries

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """See `Runner`; the context of the last call alone can be used."""
        self.place(inputs)
        self.code[Level.CHUNK].run(self.threads)
        self._chunk += 1
        return Context(self._chunk)

    def place(self, inputs: Mapping[str, Tensor]) -> None:
        """Write what the host makes of a network's inputs to where the instructions read it."""
        host = self._graphs.host(inputs)
        for places, values in ((self._context, host.context), (self._step, host.step)):
            for name, value in values.items():
                places[name].copy_(value)

    def velocity(self, x_t: Tensor, time: float, context: Context) -> Tensor:
        """See `Runner`."""
        if context.number != self._chunk:
            raise RuntimeError("this context was overwritten by a later `encode`; encode again")
        self._set_time(time)
        self._step[NOISY_CHUNK].copy_(x_t)
        self.code[Level.STEP].run(self.threads)
        return self._velocity.clone()

    def timed(self, inputs: Mapping[str, Tensor]) -> dict[str, list[tuple[str, str, float]]]:
        """Operation, node and seconds of each instruction of "context" and of one "step".

        Args:
            inputs: of the network; a velocity must have been asked for before.
        """
        self.place(inputs)  # their memory is shared with what is made later
        return {
            name: [
                (step.op, step.name, took) for step, took in self.code[level].timed(self.threads)
            ]
            for name, level in (("context", Level.CHUNK), ("step", Level.STEP))
        }

    def _set_time(self, time: float) -> None:
        """What a flow time alone changes is computed once: chunks ask for the same few times."""
        if time == self._time:
            return
        here = self._here
        if time not in self._times:
            for name, value in self._graphs.time(torch.tensor([time])).items():
                self._step[name].copy_(value)
            self.code[Level.TIME].run(self.threads)
            self._times[time] = here.clone()
        else:
            here.copy_(self._times[time])
        self._time = time

    def weight_bytes(self) -> int:
        """See `Runner`: constants of the program, and what the network keeps."""
        return self._program.weights.held_bytes + held_bytes(self.network)

    def layer_bytes(self, names: Sequence[str]) -> int:
        """See `Runner`."""
        held = self._program.weights.layer_bytes
        kept = (held_bytes(self.network.get_submodule(name)) for name in names)
        return sum(held.get(name, 0) for name in names) + sum(kept)
