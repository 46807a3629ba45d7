# SPDX-License-Identifier: Apache-2.0
"""Runs a policy's two engines: what an observation and what a step of the flow does on the GPU.

The context engine writes its outputs where the step engine reads them, both execute in one scratch
memory, and everything happens on one stream in the order in which it is asked for. What is done
again and again is recorded as a CUDA graph when it is done first: the context once, and each step
of the flow with its own time constants. The sum of the flow stays outside, as for every backend.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from quantvla_ros.backends.tensorrt.cuda import Device
from quantvla_ros.backends.tensorrt.engine import Engine
from quantvla_ros.backends.tensorrt.engine_set import EngineSet
from quantvla_ros.backends.tensorrt.tensor_block import TensorBlock
from quantvla_ros.errors import BackendError
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graphs

CONTEXT, STEP = "context", "step"


class EngineRunner:
    """Two engines as a network that is ready to run (see `Runner`); for one thread.

    Attributes:
        loading_ms: of the last chunk, see `Runner`.
    """

    device = "cpu"  # inputs and outputs lie in the host's memory

    def __init__(
        self,
        engines: EngineSet,
        graphs: Graphs,
        example: Mapping[str, Tensor],
        kernel: str,
        layers: Mapping[str, int],
        integer_layers: int,
    ) -> None:
        """Load the engines and take all memory that running will need.

        Args:
            engines: not loaded yet; taken over.
            graphs: that the engines were built of.
            example: inputs of the network.
            kernel: what multiplies, for records.
            layers: bytes of each linear, by name.
            integer_layers: how many of them multiply integers.

        Raises:
            BackendError: no GPU, not enough memory, or the engines are of other graphs.
        """
        self.kernel, self.integer_layers = kernel, integer_layers
        self.loading_ms = (0.0, 0.0)
        self._layers, self._graphs, self._engines = layers, graphs, engines
        self._device = device = Device()
        device.on_close(engines.close)
        try:
            self._take_memory(example)
        except BaseException:
            with suppress(BackendError):
                device.close()
            raise
        self._context: dict[str, Tensor] = {}
        self._unchecked = False
        self._encoding = _Repeated(device, self._begin_context, not engines.sequential)
        self._steps: dict[float, _Repeated] = {}
        weakref.finalize(self, _close_quietly, device)

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Runner`.

        Returns:
            The context graph's outputs by name, valid until the next call. The step engine reads
            those on the GPU; these are what is looked at.
        """
        before = self._engines.loading_ms
        made = self._graphs.host(inputs)
        self._observation.fill(made.context)
        self._fixed.fill(made.step)
        if broken := self._observation.not_finite() + self._fixed.not_finite():
            # An engine would round them to integers, and nobody would see it.
            raise BackendError(f"the policy was given NaN or inf in {_named(broken)}")
        self._encoding.run()
        self._context, self._unchecked = dict(self._shared.host), True
        self.loading_ms = (self._engines.loading_ms - before, 0.0)
        return self._context

    def velocity(self, x_t: Tensor, time: float, context: dict[str, Tensor]) -> Tensor:
        """See `Runner`; the context must be the last one that `encode` made.

        Raises:
            BackendError: what the context or this step computed is not finite.
        """
        if context is not self._context:
            raise ValueError("this context was overwritten by a later one")
        before = self._engines.loading_ms
        self._noisy.fill({NOISY_CHUNK: x_t})
        if time not in self._steps:
            self._steps[time] = self._new_step(time)
        broken: list[str] = []
        self._steps[time].run(lambda: broken.extend(self._check_context()))
        broken += self._velocity.not_finite()
        if broken:
            raise BackendError(
                f"the engines put out NaN or inf in {_named(broken)}; if the inputs are sound, "
                "build the engines again, or quantize with a buffer of larger motions"
            )
        encode, steps = self.loading_ms
        self.loading_ms = (encode, steps + self._engines.loading_ms - before)
        return self._velocity.host[VELOCITY].clone()

    def weight_bytes(self) -> int:
        """See `Runner`: the plans, which hold little else."""
        return self._engines.plan_bytes

    def layer_bytes(self, names: Sequence[str]) -> int:
        """See `Runner`: as the plans hold them."""
        return sum(self._layers[name] for name in names)

    def close(self) -> None:
        """Give everything back; nothing can be run afterwards.

        Raises:
            BackendError: a call of CUDA failed.
        """
        self._device.close()

    def _take_memory(self, example: Mapping[str, Tensor]) -> None:
        context = self._engines.get(CONTEXT, lambda engine: None)
        step = self._engines.get(STEP, lambda engine: None)
        made = self._graphs.host(example)
        constants = self._graphs.time(torch.zeros(1))
        graphs = self._graphs
        _check_names(context, graphs.context.inputs, graphs.context.outputs)
        _check_names(step, graphs.step.inputs, graphs.step.outputs)
        self._constants = {name: step.inputs[name] for name in constants}
        memory = self._device
        self._observation = TensorBlock(memory, context.inputs)
        self._shared = TensorBlock(memory, context.outputs)
        self._fixed = TensorBlock(memory, {name: step.inputs[name] for name in made.step})
        self._noisy = TensorBlock(memory, {NOISY_CHUNK: step.inputs[NOISY_CHUNK]})
        self._velocity = TensorBlock(memory, {VELOCITY: step.outputs[VELOCITY]})
        for name, spec in context.outputs.items():
            if step.inputs[name] != spec:
                raise _other_graphs(f"'{name}' is {spec} of the one and {step.inputs[name]}")
        self._scratch_bytes = max(context.scratch_bytes, step.scratch_bytes)
        self._scratch = memory.memory(max(self._scratch_bytes, 1))
        if self._engines.sequential:
            self._engines.close()
        else:
            self._prepare(context)
            self._prepare(step)

    def _prepare(self, engine: Engine) -> None:
        """Tell a loaded engine where everything lies that stays where it is."""
        engine.use_scratch(self._scratch, self._scratch_bytes)
        blocks = (
            [self._observation, self._shared]
            if engine.name == CONTEXT
            else [self._fixed, self._shared, self._noisy, self._velocity]
        )
        for block in blocks:
            engine.bind(block.addresses)

    def _begin_context(self) -> None:
        engine = self._engines.get(CONTEXT, self._prepare)
        self._observation.upload()
        self._fixed.upload()
        engine.enqueue(self._device.stream)
        self._shared.download()  # to be looked at; the step reads it where it is

    def _new_step(self, time: float) -> _Repeated:
        """A step of the flow with the constants of its flow time, which are uploaded once."""
        constants = TensorBlock(self._device, self._constants)
        constants.fill(self._graphs.time(torch.tensor([time])))
        constants.upload()

        def begin() -> None:
            engine = self._engines.get(STEP, self._prepare)
            engine.bind(constants.addresses)
            self._noisy.upload()
            engine.enqueue(self._device.stream)
            self._velocity.download()

        return _Repeated(self._device, begin, not self._engines.sequential)

    def _check_context(self) -> list[str]:
        """Context outputs that are not finite; once for each context, while a step runs."""
        unchecked, self._unchecked = self._unchecked, False
        return self._shared.not_finite() if unchecked else []


class _Repeated:
    """Work on the stream: done as it stands at first, and replayed from then on."""

    def __init__(self, device: Device, begin: Callable[[], None], records: bool) -> None:
        self._device, self._begin, self._records = device, begin, records
        self._recorded: object = None

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Do the work and wait for it; `meanwhile` is called before the waiting."""
        if self._recorded is not None:
            self._device.replay(self._recorded)
        else:
            self._begin()
        try:
            meanwhile()
        finally:
            self._device.wait()
        if self._records:
            self._records = False
            self._recorded = self._device.record(self._begin)


def _check_names(engine: Engine, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    if set(engine.inputs) != set(inputs) or set(engine.outputs) != set(outputs):
        raise _other_graphs(f"'{engine.name}' takes {', '.join(engine.inputs)}")


def _other_graphs(why: str) -> BackendError:
    return BackendError(
        f"the engines are of other graphs than this version of the package has ({why}); build "
        "them again (`quantvla build --force`)"
    )


def _named(outputs: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in outputs[:3])
    return shown + (f" and {len(outputs) - 3} more" if len(outputs) > 3 else "")


def _close_quietly(device: Device) -> None:
    with suppress(BackendError):
        device.close()
