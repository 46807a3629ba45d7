# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N801, N815
"""A CUDA runtime on the CPU, called as cuda-bindings is: it computes, and it is strict.

Work on a stream is only done when somebody waits for it, new memory holds NaN, copies must lie
within live memory of the right kind, and what is done in the wrong order is an error. Any call can
be told to fail.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from enum import IntEnum


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInitializationError = 3
    cudaErrorInsufficientDriver = 35
    cudaErrorDevicesUnavailable = 46
    cudaErrorNoDevice = 100
    cudaErrorInvalidDevice = 101
    cudaErrorNoKernelImageForDevice = 209
    cudaErrorECCUncorrectable = 214
    cudaErrorIllegalAddress = 700
    cudaErrorLaunchTimeout = 702
    cudaErrorLaunchFailure = 719
    cudaErrorSystemNotReady = 802
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901
    cudaErrorUnknown = 999


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3


class cudaStreamCaptureMode(IntEnum):
    cudaStreamCaptureModeThreadLocal = 1


MEMORY = 1 << 33  # bytes of its GPU
OK = cudaError_t.cudaSuccess
DEVICE, PINNED = "device", "pinned"


class StandInCuda:
    """One GPU with its memory, streams and graphs.

    Attributes:
        calls: names of the functions called, in order.
        failures: code by name of a function that shall fail.
        spare: how often a function of `failures` still works.
    """

    __name__ = "cuda.bindings.runtime"
    cudaError_t, cudaMemcpyKind = cudaError_t, cudaMemcpyKind
    cudaStreamCaptureMode, cudaStreamNonBlocking = cudaStreamCaptureMode, 1

    def __init__(self):
        self.calls, self.failures, self.spare = [], {}, Counter()
        self.memory, self.streams, self.graphs, self.captured = {}, {}, {}, None
        self._handles = 100

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            if name in self.failures:
                self.spare[name] -= 1
                if self.spare[name] < 0:
                    if name == "cudaStreamEndCapture":  # it ends all the same
                        self._end_capture()
                    if name == "cudaStreamSynchronize":  # what was under way is lost
                        self.streams = {stream: [] for stream in self.streams}
                    return (cudaError_t[self.failures[name]], None)
            own = re.sub(r"(?<!^)(?=[A-Z])", "_", name[len("cuda") :]).lower()
            found = getattr(self, f"_{own}")(*arguments)
            return found if isinstance(found, tuple) else (OK, found)

        return call

    def held(self):
        """How many of each thing have not been given back."""
        kinds = Counter(kind for kind, _, _ in self.memory.values())
        counted = {"streams": len(self.streams), "graphs": len(self.graphs), **kinds}
        return {kind: count for kind, count in counted.items() if count}

    def enqueue(self, stream, work):
        """Put work on a stream, or into the graph that is being recorded."""
        stream = int(stream)
        assert stream in self.streams, "no such stream"
        (self.streams[stream] if self.captured is None else self.captured).append(work)

    def tensor_memory(self, address, size, kind=DEVICE):
        """Live memory at an address, as bytes that can be read and written."""
        for base, (found, length, _) in self.memory.items():
            if base <= address and address + size <= base + length:
                assert found == kind, f"{found} memory where {kind} memory is due"
                return (ctypes.c_char * size).from_address(address)
        raise AssertionError(f"{size} bytes at {address} lie in no memory of the device")

    def _handle(self):
        self._handles += 1
        return self._handles

    def _take(self, kind, size):
        buffer = (ctypes.c_ubyte * (size + 256))()
        ctypes.memset(buffer, 0xFF, size + 256)
        address = -(-ctypes.addressof(buffer) // 256) * 256
        self.memory[address] = (kind, size, buffer)
        return address

    def _give(self, kind, address):
        assert not any(self.streams.values()), "memory is freed while work is under way"
        assert self.memory.pop(address)[0] == kind
        return (OK,)

    def _end_capture(self):
        work, self.captured = self.captured, None
        return work

    def _new_graph(self, work):
        handle = self._handle()
        self.graphs[handle] = work
        return handle

    def _get_error_string(self, error):
        return f"words on {error.name}".encode()

    def _set_device(self, device):
        return (OK,)

    def _malloc(self, size):
        if size > MEMORY:
            return (cudaError_t.cudaErrorMemoryAllocation, None)
        return self._take(DEVICE, size)

    def _free(self, address):
        return self._give(DEVICE, address)

    def _malloc_host(self, size):
        return self._take(PINNED, size)

    def _free_host(self, address):
        return self._give(PINNED, address)

    def _stream_create_with_flags(self, flags):
        assert flags == self.cudaStreamNonBlocking
        handle = self._handle()
        self.streams[handle] = []
        return handle

    def _stream_destroy(self, stream):
        assert not self.streams.pop(stream)
        return (OK,)

    def _memcpy_async(self, to, source, size, kind, stream):
        there, here = {
            cudaMemcpyKind.cudaMemcpyHostToDevice: (DEVICE, PINNED),
            cudaMemcpyKind.cudaMemcpyDeviceToHost: (PINNED, DEVICE),
            cudaMemcpyKind.cudaMemcpyDeviceToDevice: (DEVICE, DEVICE),
        }[kind]

        def copy():
            from_here = self.tensor_memory(source, size, here)
            ctypes.memmove(self.tensor_memory(to, size, there), from_here, size)

        self.enqueue(stream, copy)
        return (OK,)

    def _stream_synchronize(self, stream):
        assert self.captured is None, "nobody waits while work is recorded"
        work, self.streams[stream] = self.streams[stream], []
        for one in work:
            one()
        return (OK,)

    def _stream_begin_capture(self, stream, mode):
        assert mode is cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        assert not self.streams[stream]
        self.captured = []
        return (OK,)

    def _stream_end_capture(self, stream):
        return self._new_graph(self._end_capture())

    def _graph_instantiate(self, graph, flags):
        return self._new_graph(self.graphs[graph])

    def _graph_launch(self, graph, stream):
        for work in self.graphs[graph]:
            self.enqueue(stream, work)
        return (OK,)

    def _graph_destroy(self, graph):
        del self.graphs[graph]
        return (OK,)

    _graph_exec_destroy = _graph_destroy
