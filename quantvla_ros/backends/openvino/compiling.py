# SPDX-License-Identifier: Apache-2.0
"""Compile a network's two graphs by OpenVINO, once; they are kept in the user's cache.

Exporting a network takes many times as long as loading what was compiled of it. What is kept is
known by all that it depends on: the network's numbers, the code that writes graphs, the versions of
all packages and the processor.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from quantvla_ros.backends.graphs.constants import tensor_hash
from quantvla_ros.backends.graphs.export import export_graphs
from quantvla_ros.backends.graphs.onnx_file import write_onnx
from quantvla_ros.backends.graphs.source import source_hash
from quantvla_ros.backends.openvino.library import versions
from quantvla_ros.backends.openvino.signal_stack import own_signal_stack
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import BackendError
from quantvla_ros.models.family import Network
from quantvla_ros.models.graphs import Graphs
from quantvla_ros.processor import cpu_kind
from quantvla_ros.quantization.quantized_linear import quantized_layers
from quantvla_ros.whole_file import write_file

GRAPHS = ("context", "step")
DEVICE = "CPU"
_KEPT_S = 30 * 24 * 3600.0


def settings(threads: int, floats: str = "f32") -> dict[str, str]:
    """How OpenVINO computes: as it is written, on so many threads, which are bound to no core.

    Left to itself it computes in bfloat16 or float16 where the processor can, finds ranges of its
    own for weights that stay INT8, and binds its threads to the first cores, all processes to the
    same ones.
    """
    return {
        "INFERENCE_PRECISION_HINT": floats,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "ENABLE_CPU_PINNING": "NO",
    }


def compiled_graphs(
    bundle: Bundle, network: Network, graphs: Graphs, chosen: dict[str, str]
) -> dict[str, Any]:
    """OpenVINO's `CompiledModel` of both graphs, by name.

    Args:
        bundle: what the network was made of.
        network: float or with quantized layers of Q/DQ graphs.
        graphs: its description.
        chosen: see `settings`.

    Raises:
        BackendError: OpenVINO does not take the graphs.
    """
    import openvino

    core = openvino.Core()
    folder = cache_directory("openvino")
    key = _key(bundle, network)
    files = {name: folder / f"{key}-{name}.blob" for name in GRAPHS}
    if not all(file.is_file() for file in files.values()):
        _forget_unused(folder)
        precision = dict.fromkeys(graphs.part_names, torch.float32)
        programs = export_graphs(bundle, network, precision)
        for name, file in files.items():
            with tempfile.TemporaryDirectory(prefix=".onnx-", dir=folder) as place:
                path = Path(place) / f"{name}.onnx"
                write_onnx(programs.pop(name), path)
                compiled = tried(partial(core.compile_model, str(path), DEVICE, chosen))
                write_file(file, compiled.export_model().getvalue())
    return {name: _load(core, file, chosen) for name, file in files.items()}


def _load(core: Any, file: Path, chosen: dict[str, str]) -> Any:
    os.utime(file)  # it is used
    return tried(lambda: core.import_model(io.BytesIO(file.read_bytes()), DEVICE, chosen))


def tried(work: Callable[[], Any]) -> Any:
    """What OpenVINO gives.

    Raises:
        BackendError: with the last line of what it says.
    """
    try:
        with own_signal_stack():
            return work()
    except RuntimeError as error:
        line = str(error).strip().splitlines()[-1]
        raise BackendError(
            f"OpenVINO does not take this policy's graphs ({line}); use another backend"
        ) from error


def _key(bundle: Bundle, network: nn.Module) -> str:
    """Hash of everything that a compiled graph depends on, hex."""
    digest = hashlib.sha256()
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    digest.update(f"{versions()} {cpu_kind()} {isa}\n".encode())
    digest.update(bundle.manifest.model_dump_json(exclude={"gate"}).encode())
    for name, layer in quantized_layers(network).items():
        digest.update(f"{name} {layer.precision} {layer.rotation}\n".encode())
    for name, value in sorted(network.state_dict().items()):
        line = f"{name} {value.dtype} {tuple(value.shape)} {tensor_hash(value)}\n"
        digest.update(line.encode())
    digest.update(source_hash(network).encode())
    return digest.hexdigest()[:32]


def _forget_unused(folder: Path) -> None:
    """A policy of billions of parameters leaves gigabytes; after a month nobody misses them."""
    for file in folder.glob("*.blob"):
        if file.stat().st_mtime < time.time() - _KEPT_S:
            file.unlink(missing_ok=True)
