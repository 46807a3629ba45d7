# SPDX-License-Identifier: Apache-2.0
"""Compile the two halves of a network for the CPU, ahead of the first inference.

The halves are exported to graphs with fixed shapes and handed to inductor directly. So no call
pays for checking hundreds of parameters that never change (a third of a millisecond a denoise
step with torch.compile), and two networks in one process can never share a compiled graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch._functorch.compile_utils import fx_graph_cse
from torch._inductor import standalone_compile
from torch._inductor.exc import CppCompileError, InductorError

from quantvla_ros.backends.cpu.code_cache import discard_broken_library, use_cache_of_this_cpu
from quantvla_ros.backends.cpu.compiler import check_compiler
from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.errors import BackendError
from quantvla_ros.models.mini_pi05.network import Pi05, Prefix

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
    def __init__(self, network: Pi05, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _flat(self.network.encode(**dict(zip(self.names, inputs, strict=True))))


class _Denoise(nn.Module):
    def __init__(self, network: Pi05) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, modulation: Tensor, *prefix: Tensor) -> tuple[Tensor]:
        return (self.network.denoise_modulated(x_t, modulation, _prefix(prefix)),)


def _flat(prefix: Prefix) -> tuple[Tensor, ...]:
    return (*prefix.keys, *prefix.values, prefix.mask)


def _prefix(flat: Sequence[Tensor]) -> Prefix:
    layers = len(flat) // 2
    return Prefix(list(flat[:layers]), list(flat[layers:-1]), flat[-1])


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
    """`encode` and `denoise` as two compiled graphs; shapes are those of the example inputs."""

    def __init__(self, network: Pi05, kernel: str, example: Mapping[str, Tensor]) -> None:
        """Compile now (see `check_can_compile`)."""
        super().__init__(network, kernel)
        check_can_compile()
        config, self._names = network.config, tuple(example)
        with torch.no_grad(), warnings.catch_warnings():
            # What torch's export deprecates within itself is no news to our users.
            warnings.simplefilter("ignore", FutureWarning)
            self._encode = _compile(_Encode(network, self._names), tuple(example.values()))
            x_t = torch.zeros(1, config.horizon, config.action_width)
            modulation = network.modulation(torch.ones(1))
            step = (x_t, modulation, *_flat(network.encode(**example)))
            self._denoise = _compile(_Denoise(network), step)
        self._modulations: dict[float, Tensor] = {}

    def encode(self, inputs: Mapping[str, Tensor]) -> Prefix:
        """See `Runner`."""
        return _prefix(self._encode(*(inputs[name] for name in self._names)))

    def denoise(self, x_t: Tensor, t: Tensor, context: Prefix) -> Tensor:
        """See `Runner`."""
        velocity: Tensor = self._denoise(x_t, self._modulation(float(t)), *_flat(context))[0]
        return velocity

    def _modulation(self, t: float) -> Tensor:
        """Kept: every chunk asks for the same few times, and their layers hold many weights."""
        if t not in self._modulations:
            self._modulations[t] = self.network.modulation(torch.tensor([t]))
        return self._modulations[t]
