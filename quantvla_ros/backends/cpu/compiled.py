# SPDX-License-Identifier: Apache-2.0
"""Compile the two halves of a network for the CPU, ahead of the first inference.

The halves are exported to graphs with fixed shapes and handed to inductor directly. So no call
pays for checking hundreds of parameters that never change (a third of a millisecond a denoise
step with torch.compile), and two networks in one process can never share a compiled graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch.compile_utils import fx_graph_cse
from torch._inductor import standalone_compile
from torch._inductor.exc import CppCompileError, InductorError
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from quantvla_ros.backends.cpu.code_cache import discard_broken_library, use_cache_of_this_cpu
from quantvla_ros.backends.cpu.compiler import check_compiler
from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.errors import BackendError
from quantvla_ros.models.family import Network

Function = Callable[..., Sequence[Tensor]]


def check_can_compile() -> None:
    """Refuse to begin work that ends in a compiled policy where none can be made.

    Raises:
        QuantVLAError: there is no C++ compiler, or no folder for compiled code.
    """
    check_compiler()
    use_cache_of_this_cpu()


# Inputs and outputs of both are flat lists of tensors: the compiled graphs know no structures.


class _Encode(nn.Module):
    def __init__(self, network: Network, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        context = self.network.encode(dict(zip(self.names, inputs, strict=True)))
        return tuple(tree_leaves(context))


class _Step(nn.Module):
    def __init__(self, network: Network, constants: TreeSpec, context: TreeSpec) -> None:
        super().__init__()
        self.network, self.constants, self.context = network, constants, context

    def forward(self, x_t: Tensor, *flat: Tensor) -> tuple[Tensor]:
        count = self.constants.num_leaves
        constants = tree_unflatten(flat[:count], self.constants)
        return (self.network.step(x_t, constants, tree_unflatten(flat[count:], self.context)),)


def _compile(module: nn.Module, inputs: tuple[Tensor, ...]) -> Function:
    exported = torch.export.export(module, inputs).run_decompositions({})
    unlifted = exported.module(check_guards=False)
    # Layers that read the same tensor quantize it alike and share one product (see `packing`);
    # merging equal nodes makes each of them run once.
    merged = fx_graph_cse(unlifted.graph)
    # A plain module of that graph can be pickled, which export's own cannot: only then does a
    # second start find the compiled code in inductor's cache, in place of compiling it again.
    graph = torch.fx.GraphModule(unlifted, merged)
    use_cache_of_this_cpu()
    while True:
        try:
            compiled: Function = standalone_compile(
                graph, list(inputs), dynamic_shapes="from_graph"
            )
        except ImportError as error:
            if not discard_broken_library(error):
                raise
        except (InductorError, CppCompileError, OSError) as error:
            lines = [line for line in str(error).splitlines() if "rror: " in line]
            raise BackendError(
                f"the policy could not be compiled ({(lines or [str(error)])[0].strip()}); see "
                "`quantvla doctor`, or run without (parameter 'compiled' of policy_node)"
            ) from error
        else:
            return compiled


class CompiledRunner(NetworkRunner):
    """`encode` and `step` as two compiled graphs; shapes are those of the example inputs."""

    def __init__(
        self, network: Network, kernel: str, example: Mapping[str, Tensor], noise: Tensor
    ) -> None:
        """Compile now (see `check_can_compile`); `noise` [1, horizon, actions] may be anything."""
        super().__init__(network, kernel)
        check_can_compile()
        self._names = tuple(example)
        self._constants: dict[float, list[Tensor]] = {}
        with torch.no_grad(), warnings.catch_warnings():
            # What torch's export deprecates within itself is no news to our users.
            warnings.simplefilter("ignore", FutureWarning)
            self._encode = _compile(_Encode(network, self._names), tuple(example.values()))
            constants, constants_form = tree_flatten(network.time_constants(torch.ones(1)))
            context, self._context_form = tree_flatten(network.encode(example))
            step = _Step(network, constants_form, self._context_form)
            self._step = _compile(step, (noise, *constants, *context))

    def encode(self, inputs: Mapping[str, Tensor]) -> Any:
        """See `Runner`."""
        flat = self._encode(*(inputs[name] for name in self._names))
        return tree_unflatten(flat, self._context_form)

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """See `Runner`."""
        velocity: Tensor = self._step(x_t, *self._constants_at(time), *tree_leaves(context))[0]
        return velocity

    def _constants_at(self, time: float) -> list[Tensor]:
        """Kept: every chunk asks for the same few times, and their layers hold many weights."""
        if time not in self._constants:
            self._constants[time] = tree_leaves(self.network.time_constants(torch.tensor([time])))
        return self._constants[time]
