# SPDX-License-Identifier: Apache-2.0
"""A TensorRT that runs exported graphs on the stand-in for CUDA, at the addresses that it is given.

A plan is an exported graph in a file, with its length before it.
"""

from __future__ import annotations

import io
import sys
import types
import weakref
from enum import IntEnum
from functools import cache
from importlib.machinery import ModuleSpec

import torch
from support.stand_in_cuda import StandInCuda

import quantvla_ros.backends.graphs.operators  # noqa: F401 - plans hold them

MAGIC = b"stand-in plan 1\n"


def plan_of(program) -> bytes:
    """The plan of an exported graph."""
    file = io.BytesIO()
    torch.export.save(program, file)
    content = file.getvalue()
    return MAGIC + len(content).to_bytes(8, "little") + content


class Program:
    """The exported graph of a plan, and what it gives for its example."""

    def __init__(self, content):
        program = torch.export.load(io.BytesIO(content))
        self._module = program.module()
        self.inputs = list(program.graph_signature.user_inputs)
        example = list(program.example_inputs[0])
        made = self.run(example)
        self.outputs = list(made)
        tensors = dict(zip(self.inputs, example, strict=True)) | made
        self.specs = {name: (value.shape, value.dtype) for name, value in tensors.items()}

    def run(self, inputs):
        with torch.no_grad():
            return self._module(*inputs)


program_of = cache(Program)
"""Read once, since that takes a second; engines hold nothing else of it."""


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    INFO = 3


class ILogger:
    Severity = Severity


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class ExecutionContextAllocationStrategy(IntEnum):
    STATIC = 0
    USER_MANAGED = 2


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1
    INT32 = 3
    BF16 = 7


KINDS = {
    torch.float32: DataType.FLOAT,
    torch.float16: DataType.HALF,
    torch.bfloat16: DataType.BF16,
    torch.int32: DataType.INT32,
}


class IStreamReader:
    def __init__(self):
        pass


class Context:
    """An execution context; `damage` puts NaN into an output of that name."""

    def __init__(self, engine, cuda):
        self._engine, self._cuda = weakref.ref(engine), cuda
        self.addresses, self.scratch, self.ran = {}, None, False

    def set_tensor_address(self, name, address):
        assert address % 256 == 0
        self.addresses[name] = address
        return name in self._engine().specs

    def set_device_memory(self, address, size):
        assert size >= self._engine().device_memory_size_v2
        self.scratch = (address, size)

    def execute_async_v3(self, stream):
        engine, cuda = self._engine(), self._cuda
        assert set(self.addresses) == set(engine.specs), "a tensor without an address"
        recorded = cuda.captured is not None
        assert self.ran or not recorded, "a context runs once before it is recorded"
        if engine.name in engine.trt.refuses and recorded:
            engine.log.log(Severity.ERROR, "cannot be captured")
            return False
        self.ran = True
        addresses, scratch, damage = dict(self.addresses), self.scratch, engine.trt.damage

        def work():
            def tensor(name):
                shape, kind = engine.specs[name]
                size = shape.numel() * kind.itemsize
                flat = torch.frombuffer(cuda.tensor_memory(addresses[name], size), dtype=kind)
                return flat.view(shape)

            cuda.tensor_memory(*scratch)[:] = b"\xff" * scratch[1]  # nothing else lies there
            found = engine.run([tensor(name).clone() for name in engine.inputs])
            for name in engine.outputs:
                tensor(name).copy_(found[name])
                if name in damage:
                    tensor(name).view(-1)[-1] = damage[name]

        cuda.enqueue(stream, work)
        engine.trt.runs.append((engine.name, addresses, scratch, recorded))
        return True


class Engine:
    """A loaded plan."""

    def __init__(self, trt, log, program):
        self.trt, self.log, self.run = trt, log, program.run
        self.inputs, self.outputs, self.specs = program.inputs, program.outputs, program.specs
        self.name = "step" if "velocity" in self.outputs else "context"
        self.num_io_tensors = len(self.specs)
        self.device_memory_size_v2 = 1000 if self.name == "context" else 600

    def get_tensor_name(self, index):
        return list(self.specs)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return self.specs[name][0]

    def get_tensor_dtype(self, name):
        return KINDS[self.specs[name][1]]

    def create_execution_context(self, strategy):
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        context = Context(self, self.trt.cuda)
        self.trt.track(context, "context")
        return context


class Runtime:
    trt = None

    def __init__(self, log):
        self._log = log

    def deserialize_cuda_engine(self, reader):
        read = reader.read if self.trt.old else lambda size: reader.read(size, 0)

        def whole(size):
            parts, left = [], size
            while left and (part := read(left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)

        if whole(len(MAGIC)) != MAGIC:
            self._log.log(Severity.ERROR, "Magic tag does not match")
            return None
        size = int.from_bytes(whole(8), "little")
        engine = Engine(self.trt, self._log, program_of(whole(size)))
        self.trt.track(engine, "engine")
        return engine


class StandInTensorRT(types.ModuleType):
    """The module `tensorrt`.

    Attributes:
        cuda: where its engines run.
        runs: name of the engine, addresses, scratch memory and whether it was recorded, of every
            execution.
        events: "load" and "drop" of engines and contexts, in order.
        damage: value that is written into an output of that name.
        refuses: engines that cannot be recorded.
        old: whether streams are read as by version 10.3.
    """

    ILogger, DataType, TensorIOMode = ILogger, DataType, TensorIOMode
    ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy

    def __init__(self, cuda, old=False):
        super().__init__("tensorrt")
        self.__version__, self.__spec__ = "10.3.0", ModuleSpec("tensorrt", None)
        self.cuda, self.old, self.Logger = cuda, old, ILogger
        self.runs, self.events, self.damage, self.refuses = [], [], {}, set()
        self.Runtime = type("Runtime", (Runtime,), {"trt": self})
        setattr(self, "IStreamReader" if old else "IStreamReaderV2", IStreamReader)

    def track(self, thing, kind):
        self.events.append(f"load {kind}")
        weakref.finalize(thing, self.events.append, f"drop {kind}")


def install(place=sys.modules.__setitem__, old=False) -> StandInTensorRT:
    """Put both stand-ins where the real modules are imported from; `place(name, module)` does."""
    cuda = StandInCuda()
    trt = StandInTensorRT(cuda, old)
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = cuda
    for name, module in {
        "cuda": types.ModuleType("cuda"),
        "cuda.bindings": bindings,
        "cuda.bindings.runtime": cuda,
        "tensorrt": trt,
    }.items():
        place(name, module)
    return trt
