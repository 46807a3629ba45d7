# SPDX-License-Identifier: Apache-2.0
"""A plan that is loaded: its tensors, and its execution in memory that the caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from quantvla_ros.backends.graphs.program import TensorSpec
from quantvla_ros.backends.tensorrt.builders.build_log import new_log
from quantvla_ros.backends.tensorrt.engine_tensors import engine_spec
from quantvla_ros.errors import BackendError


class Engine:
    """One plan on the GPU.

    Attributes:
        inputs: by name.
        outputs: by name.
        scratch_bytes: memory that an execution needs besides weights, inputs and outputs.
    """

    def __init__(self, trt: Any, plan: Path) -> None:
        """Load a plan; it is read as a stream, so that no copy of it lies in memory.

        Raises:
            BackendError: TensorRT cannot load it; with its own words.
        """
        self.name, self._log = plan.stem, new_log(trt)
        self._runtime: Any = trt.Runtime(self._log)
        with plan.open("rb") as file:
            self._engine: Any = self._runtime.deserialize_cuda_engine(_reader(trt, file))
        if self._engine is None:
            raise self._refused("load")
        self.scratch_bytes = int(self._engine.device_memory_size_v2)
        self._context: Any = self._engine.create_execution_context(
            trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if self._context is None:
            raise self._refused("prepare")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        mode = {name: self._engine.get_tensor_mode(name) for name in names}
        specs = {name: self._spec(name) for name in names}
        self.inputs = {n: s for n, s in specs.items() if mode[n] == trt.TensorIOMode.INPUT}
        self.outputs = {n: s for n, s in specs.items() if mode[n] == trt.TensorIOMode.OUTPUT}

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Say where inputs and outputs lie on the GPU, by name; other names are let be."""
        for name in [*self.inputs, *self.outputs]:
            if name in addresses and not self._context.set_tensor_address(name, addresses[name]):
                raise self._refused(f"take the address of '{name}' in")

    def use_scratch(self, address: int, size: int) -> None:
        """Say where the memory for executions lies; two engines share one, in turn."""
        self._context.set_device_memory(address, size)

    def enqueue(self, stream: int) -> None:
        """Begin an execution.

        Raises:
            BackendError: TensorRT does not begin it.
        """
        if not self._context.execute_async_v3(stream):
            raise self._refused("run")

    def close(self) -> None:
        """Give the execution back, then the weights."""
        self._context = None
        self._engine = None
        self._runtime = None

    def _spec(self, name: str) -> TensorSpec:
        engine = self._engine
        return engine_spec(name, engine.get_tensor_shape(name), engine.get_tensor_dtype(name))

    def _refused(self, what: str) -> BackendError:
        return BackendError(
            f"TensorRT does not {what} the engine '{self.name}': "
            f"{self._log.error or 'it says no why'}; build the engines again on this machine "
            "(`quantvla build --force`)"
        )


def _reader(trt: Any, file: BinaryIO) -> Any:
    """The file as this TensorRT reads streams: newer ones seek in them."""
    if not hasattr(trt, "IStreamReaderV2"):

        class Reader(trt.IStreamReader):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.IStreamReader.__init__(self)

            def read(self, size: int) -> bytes:
                return file.read(size)

        return Reader()

    class SeekingReader(trt.IStreamReaderV2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IStreamReaderV2.__init__(self)

        def read(self, size: int, stream: int) -> bytes:
            return file.read(min(size, _PIECE))

        def seek(self, offset: int, where: Any) -> bool:
            file.seek(offset, int(where))  # from start, here or end, as files count
            return True

    return SeekingReader()


_PIECE = 64 << 20  # bytes at most in memory while a plan is read
