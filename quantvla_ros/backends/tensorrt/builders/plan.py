# SPDX-License-Identifier: Apache-2.0
"""From TensorRT's network of a graph to a plan; the same for every builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantvla_ros.backends.graphs.program import Tensors
from quantvla_ros.backends.tensorrt.builders.build_log import BuildLog, new_log
from quantvla_ros.backends.tensorrt.builders.linear_names import name_linears
from quantvla_ros.backends.tensorrt.builders.monitor import new_monitor
from quantvla_ros.backends.tensorrt.engine_tensors import network_tensors
from quantvla_ros.backends.tensorrt.library import is_rtx, tensorrt
from quantvla_ros.errors import BackendError
from quantvla_ros.whole_file import write_file

__all__ = ["Plan", "Settings", "build_network", "new_log"]


@dataclass(frozen=True)
class Settings:
    """How a plan is built.

    Attributes:
        names: names of integer linears by the digest of their weights (see `weight_digest`).
        timing_cache: file that is read and written again; None for none.
        sm: compute capability to build for without its GPU, which TensorRT-RTX alone can; None
            for the GPU of this machine.
        progress: called with the share done, 0..1.
    """

    names: Mapping[bytes, Sequence[str]] = field(default_factory=dict)
    timing_cache: Path | None = None
    sm: str | None = None
    progress: Callable[[float], None] = lambda share: None


@dataclass(frozen=True)
class Plan:
    """A serialized engine.

    Attributes:
        content: its bytes, in TensorRT's own memory: a copy would double them.
        layers: lines of the build log that list the compiled layers.
        tensors: its inputs and outputs.
    """

    content: memoryview
    layers: Sequence[str]
    tensors: Tensors


def build_network(builder: Any, network: Any, log: BuildLog, settings: Settings) -> Plan:
    """Compile a strongly typed network.

    Args:
        builder: TensorRT's `Builder` that made the network.
        network: TensorRT's `INetworkDefinition`.
        log: that the builder writes to.
        settings: see there.

    Raises:
        BackendError: TensorRT could not; with its own words.
    """
    trt = tensorrt()
    name_linears(trt, network, settings.names)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the inspector needs it
    config.progress_monitor = new_monitor(trt, settings.progress)
    config.clear_flag(trt.BuilderFlag.TF32)  # FP32 means FP32: sums of norms and softmax
    if settings.sm is not None:
        config.num_compute_capabilities = 1
        capability = f"SM{settings.sm.replace('.', '')}"
        config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
    cache = settings.timing_cache if not is_rtx(trt) else None  # it times at run time
    if cache is not None:
        known = cache.read_bytes() if cache.exists() else b""
        config.set_timing_cache(config.create_timing_cache(known), False)
    content = builder.build_serialized_network(network, config)
    if content is None:
        raise BackendError(f"TensorRT could not build the engine: {log.error or 'it says no why'}")
    if cache is not None:
        write_file(cache, bytes(memoryview(config.get_timing_cache().serialize())))
    return Plan(memoryview(content), log.layers, network_tensors(network))
