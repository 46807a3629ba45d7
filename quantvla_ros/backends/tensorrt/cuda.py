# SPDX-License-Identifier: Apache-2.0
"""The CUDA runtime as engines need it: memory, one stream, recorded work. No CUDA build of PyTorch.

Every call that fails is a `BackendError` which names the call, the code and what to do.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from quantvla_ros.errors import BackendError

_MODULES = ("cuda.bindings.runtime", "cuda.cudart")  # newer and older name of the same functions
_MEMORY = (
    "the memory is full: close other programs, or hold one engine at a time (`resident` sequential)"
)
_DRIVER = (
    "look for the GPU with `nvidia-smi` or `quantvla doctor`, and install a driver that fits CUDA"
)
_CRASHED = (
    "what runs on the GPU of this process is lost: start again, and if it comes back build the "
    "engines again (`quantvla build --force`)"
)
_OTHER = "start again, and report it with this sentence if it comes back"
_REMEDIES = {
    "cudaErrorMemoryAllocation": _MEMORY,
    "cudaErrorNoDevice": _DRIVER,
    "cudaErrorInvalidDevice": _DRIVER,
    "cudaErrorInsufficientDriver": _DRIVER,
    "cudaErrorInitializationError": _DRIVER,
    "cudaErrorStubLibrary": _DRIVER,
    "cudaErrorSystemDriverMismatch": _DRIVER,
    "cudaErrorSystemNotReady": _DRIVER,
    "cudaErrorDevicesUnavailable": "another process holds the GPU for itself: end that process",
    "cudaErrorNoKernelImageForDevice": "this CUDA has no code for the GPU: install the JetPack's",
    "cudaErrorLaunchFailure": _CRASHED,
    "cudaErrorLaunchTimeout": _CRASHED,
    "cudaErrorIllegalAddress": _CRASHED,
    "cudaErrorIllegalInstruction": _CRASHED,
    "cudaErrorMisalignedAddress": _CRASHED,
    "cudaErrorAssert": _CRASHED,
    "cudaErrorHardwareStackError": _CRASHED,
    "cudaErrorECCUncorrectable": "the GPU's memory is damaged: switch the machine off and on",
}


class CudaError(BackendError):
    """A call of the CUDA runtime that failed; `code` is the code's name."""

    def __init__(self, call: str, code: str, words: str) -> None:
        """Say what failed, and what to do."""
        remedy = _REMEDIES.get(code, _OTHER)
        super().__init__(f"CUDA's {call} failed with {code} ({words}); {remedy}")
        self.code = code


def cuda_runtime() -> Any:
    """The Python module of the CUDA runtime.

    Raises:
        BackendError: it is missing or does not load.
    """
    reasons = []
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except Exception as error:  # loading native libraries fails in many ways
            reasons.append(str(error))
    raise BackendError(
        f"the Python package cuda-bindings cannot be loaded ({reasons[0]}); install the one of "
        "this machine's CUDA: `pip install 'cuda-bindings==12.*'` on JetPack 6, 13 on JetPack 7"
    )


class Device:
    """The first GPU with one stream; `close` gives back all that was taken, last first."""

    def __init__(self) -> None:
        """Open the stream.

        Raises:
            BackendError: there is no CUDA runtime or no GPU.
        """
        self._cuda, self._taken, self._closed = cuda_runtime(), ExitStack(), False
        self._call("cudaSetDevice", 0)
        self._stream = self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking)
        self._taken.callback(self._call, "cudaStreamDestroy", self._stream)

    @property
    def stream(self) -> int:
        """Handle of the stream, as TensorRT takes it."""
        return int(self._stream)

    def on_close(self, work: Callable[[], Any]) -> None:
        """Have `close` call this too, before it gives back what was taken until now."""
        self._taken.callback(work)

    def memory(self, size: int) -> int:
        """Address of new memory of the GPU, `size` bytes; aligned to 256 bytes."""
        address = int(self._call("cudaMalloc", size))
        self._taken.callback(self._call, "cudaFree", address)
        return address

    def pinned(self, size: int) -> ctypes.Array[ctypes.c_char]:
        """New memory of the host that the GPU reads and writes without a copy between."""
        address = int(self._call("cudaMallocHost", size))
        self._taken.callback(self._call, "cudaFreeHost", address)
        return (ctypes.c_char * size).from_address(address)

    def upload(self, to: int, source: ctypes.Array[ctypes.c_char]) -> None:
        """Begin to copy pinned memory to an address of the GPU."""
        self._copy(to, ctypes.addressof(source), len(source), "cudaMemcpyHostToDevice")

    def download(self, to: ctypes.Array[ctypes.c_char], source: int) -> None:
        """Begin to copy from an address of the GPU to pinned memory."""
        self._copy(ctypes.addressof(to), source, len(to), "cudaMemcpyDeviceToHost")

    def wait(self) -> None:
        """Wait until all work on the stream is done; errors of that work come to light here."""
        self._call("cudaStreamSynchronize", self._stream)

    def record(self, work: Callable[[], None]) -> Any:
        """Record work that has run once as a CUDA graph, without running it again.

        Returns:
            What `replay` takes; None where this work cannot be recorded, with a warning: it runs
            without, only slower.
        """
        try:
            graph = self._captured(work)
            try:
                replayed = self._call("cudaGraphInstantiate", graph, 0)
            finally:
                self._call("cudaGraphDestroy", graph)
        except BackendError as error:
            logging.getLogger(__name__).warning("Runs without a CUDA graph: %s.", str(error))
            return None
        self._taken.callback(self._call, "cudaGraphExecDestroy", replayed)
        return replayed

    def replay(self, recorded: Any) -> None:
        """Begin to run what was recorded."""
        self._call("cudaGraphLaunch", recorded, self._stream)

    def close(self) -> None:
        """Wait for the stream and give back graphs, memory and stream; a second time: nothing.

        Raises:
            BackendError: a call failed; the others were made all the same.
        """
        taken, self._taken = self._taken, ExitStack()
        if not self._closed:
            self._closed = True
            taken.callback(self.wait)
        taken.close()

    def _captured(self, work: Callable[[], None]) -> Any:
        # Of this thread alone: others may call CUDA meanwhile.
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", self._stream, mode)
        try:
            work()
        except BackendError:
            with suppress(BackendError):
                self._call("cudaGraphDestroy", self._call("cudaStreamEndCapture", self._stream))
            raise
        return self._call("cudaStreamEndCapture", self._stream)

    def _copy(self, to: int, source: int, size: int, kind: str) -> None:
        way = getattr(self._cuda.cudaMemcpyKind, kind)
        self._call("cudaMemcpyAsync", to, source, size, way, self._stream)

    def _call(self, name: str, *arguments: Any) -> Any:
        error, *values = getattr(self._cuda, name)(*arguments)
        if int(error):
            words = self._cuda.cudaGetErrorString(error)[1]
            raise CudaError(name, error.name, words.decode() if isinstance(words, bytes) else words)
        return values[0] if values else None
