# SPDX-License-Identifier: Apache-2.0
"""What of the engines' runtime a machine with a GPU can show without TensorRT; minutes.

1. The runtime itself on real CUDA memory by cuda-bindings: a network of copies in the place of
   TensorRT, addresses, replayed graphs, NaN, errors of CUDA, memory given back.
2. The graphs with explicit Q/DQ in eager CUDA against the same graphs on the CPU.

What the machine lacks is skipped with its reason; the first part then runs on the tests' stand-in
for CUDA. Run: PYTHONPATH=. .venv/bin/python test/backends/tensorrt/check_gpu.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from support.stand_in_cuda import StandInCuda
from support.tiny_policy import save_tiny_bundle

from quantvla_ros.backends.graphs.export import (
    example_inputs,
    export_graphs,
    graphs_of,
)
from quantvla_ros.backends.graphs.program import TensorSpec
from quantvla_ros.backends.tensorrt import cuda
from quantvla_ros.backends.tensorrt.runtime import EngineRunner
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.models.graphs import Graph, Graphs, HostInputs
from quantvla_ros.quantization.network import load_network
from studies.static_bundle import save_static_bundle

SIZE = 1 << 20  # elements of the tensors that are copied: 4 MB
ROUNDS = 50
FLIPS = 0.05  # relative; a rounding that falls to the other side on a GPU


class CopyEngine:
    """In the place of an engine: its output is a copy of one of its inputs, on the stream."""

    scratch_bytes = 4096

    def __init__(self, runtime, name, inputs, copied, output):
        spec = TensorSpec((1, SIZE), torch.float32)
        self.name, self._runtime, self._copied, self._output = name, runtime, copied, output
        self.inputs, self.outputs = dict.fromkeys(inputs, spec), {output: spec}
        self._addresses = {}

    def bind(self, addresses):
        self._addresses.update(addresses)

    def use_scratch(self, address, size):
        assert size >= self.scratch_bytes and address % 256 == 0

    def enqueue(self, stream):
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        to, source = self._addresses[self._output], self._addresses[self._copied]
        error = self._runtime.cudaMemcpyAsync(to, source, 4 * SIZE, kind, stream)[0]
        assert not int(error), error


class CopyEngines:
    """In the place of an `EngineSet`."""

    sequential, loading_ms, plan_bytes = False, 0.0, 0

    def __init__(self, runtime, steps_copy):
        self._engines = {
            "context": CopyEngine(runtime, "context", ["picture"], "picture", "key"),
            "step": CopyEngine(runtime, "step", ["x_t", "when", "key"], steps_copy, "velocity"),
        }

    def get(self, name, prepare):
        return self._engines[name]

    def close(self):
        pass


def runner(runtime, steps_copy) -> EngineRunner:
    nothing = torch.nn.Identity()
    graphs = Graphs(
        context=Graph(nothing, ("picture",), ("key",), "all"),
        step=Graph(nothing, ("x_t", "when", "key"), ("velocity",), "all"),
        host=lambda inputs: HostInputs({"picture": inputs["picture"]}, {}),
        time=lambda t: {"when": t.expand(1, SIZE)},
        parts={},
    )
    example = {"picture": torch.zeros(1, SIZE)}
    return EngineRunner(CopyEngines(runtime, steps_copy), graphs, example, "copies", {}, 0)


def check_runtime(runtime) -> None:
    """Part 1."""
    for copied in ("key", "x_t", "when"):
        made = runner(runtime, copied)
        for index in range(3):  # as it stands, then replayed
            picture, x_t = torch.rand(1, SIZE), torch.rand(1, SIZE)
            context = made.encode({"picture": picture})
            for when in (1.0, 0.5):
                wanted = {"key": picture, "x_t": x_t, "when": torch.full((1, SIZE), when)}[copied]
                assert torch.equal(made.velocity(x_t, when, context), wanted), (copied, index)
        if copied == "key":
            broken = torch.rand(1, SIZE)
            began = time.perf_counter()
            for _ in range(ROUNDS):
                made.velocity(x_t, 1.0, context)
            share = (time.perf_counter() - began) / ROUNDS * 1e3
            print(f"   a step of two copies of 4 MB to and from the device: {share:.3f} ms")
            broken[0, -1] = torch.nan
            made._observation.host["picture"].copy_(broken)
            made._encoding.run()  # past the check of inputs
            made._unchecked = True
            try:
                made.velocity(x_t, 1.0, made._context)
                raise AssertionError("NaN went through")
            except BackendError as error:
                assert "'key'" in str(error), error
        made.close()
    device = cuda.Device()
    try:
        device.memory(1 << 50)
        raise AssertionError("a petabyte was to be had")
    except BackendError as error:
        print(f"   {error}")
    device.close()


def check_graphs(place: str) -> None:
    """Part 2."""
    with tempfile.TemporaryDirectory() as folder:
        plain = save_tiny_bundle(Path(folder) / "float")
        bundle = load_bundle(save_static_bundle(plain, Path(folder) / "int8"))
        network = load_network(bundle)
        graphs = graphs_of(bundle, network)
        parts = {*graphs.parts.values(), graphs.context.part, graphs.step.part}
        programs = export_graphs(bundle, network, dict.fromkeys(parts, torch.float32))
        for name, (_, inputs) in example_inputs(bundle, graphs).items():
            inputs = tuple(x.detach() for x in inputs)
            module = programs[name].module()
            wanted = module(*inputs)
            got = module.to(place)(*(x.to(place) for x in inputs))
            for key, tensor in wanted.items():
                error = (got[key].cpu() - tensor).norm() / tensor.norm().clamp(min=1e-9)
                assert error <= FLIPS, (name, key, float(error))
            print(f"   '{name}': within {FLIPS} of the CPU")


def main() -> None:
    print("== the runtime on CUDA memory")
    try:
        runtime = cuda.cuda_runtime()
        cuda.Device().close()
    except BackendError as error:
        print(f"   skipped on a GPU: {error}; on the stand-in for CUDA:")
        runtime = StandInCuda()
        cuda.cuda_runtime = lambda: runtime
    check_runtime(runtime)
    print("== graphs with Q/DQ in eager CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if not torch.cuda.is_available():
        print("   skipped on a GPU: this PyTorch sees none; on the CPU against itself:")
    check_graphs("cuda" if torch.cuda.is_available() else "cpu")
    print("passed")


if __name__ == "__main__":
    main()
