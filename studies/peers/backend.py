# SPDX-License-Identifier: Apache-2.0
"""Backends that run graphs which other tools quantized; their files are made by `files`.

The files lie beside the float bundle, so that every process finds them: the gate, the bench, and
the workers of an evaluation, which know a bundle by its path alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quantvla_ros.backends.base import Backend, Options
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.graphs.runner import GraphRunner, Half
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision

GRAPHS = ("context", "step")


def folder_of(bundle: Path, name: str) -> Path:
    """Where the graphs of a backend of this study lie for the bundle at a path."""
    return bundle.parent / "graphs" / f"{bundle.name}-{name}"


@dataclass
class GraphFiles(Backend):
    """Two files, opened by a runtime.

    Attributes:
        name: as the registry has it.
        files: name of the folder that holds them (see `folder_of`).
        suffix: of both files.
        kernel: what multiplies, for records.
        open: from a file and a number of threads to a function.
    """

    name: str
    files: str
    suffix: str
    kernel: str
    open: Callable[[Path, int], Half]
    activations: Literal["dynamic", "static"] = "static"

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`."""
        return 8

    def target(self) -> str:
        """See `Backend`."""
        return self.kernel

    def check_built(self, path: Path) -> None:
        """See `Backend`."""
        folder = folder_of(path, self.files)
        if not all((folder / f"{name}{self.suffix}").is_file() for name in GRAPHS):
            raise BackendError(f"'{folder}' lacks the graphs; run `python -m studies.peers` first")

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> GraphRunner:
        """See `Backend`."""
        from quantvla_ros.backends.graphs.export import graphs_of
        from quantvla_ros.backends.graphs.runner import GraphRunner

        self.check_built(bundle.path)
        folder = folder_of(bundle.path, self.files)
        context, step = (
            self.open(folder / f"{name}{self.suffix}", options.threads) for name in GRAPHS
        )
        return GraphRunner(network, graphs_of(bundle, network), context, step, self.kernel)


def _by_onnxruntime(path: Path, threads: int) -> Half:
    from calib_tools.bench.onnx_runtime import half, session

    return half(session(path, threads))


def _by_openvino(path: Path, threads: int, floats: str = "f32", group: str = "0") -> Half:
    import openvino

    from quantvla_ros.backends.openvino.compiling import DEVICE, settings, tried
    from quantvla_ros.backends.openvino.loading import half

    chosen = {**settings(threads, floats), "DYNAMIC_QUANTIZATION_GROUP_SIZE": group}
    return half(tried(lambda: openvino.Core().compile_model(str(path), DEVICE, chosen)))


ORT_FLOAT = GraphFiles("ort_float", "onnx", ".onnx", "onnxruntime fp32", _by_onnxruntime)
ORT_QDQ = GraphFiles("ort_qdq", "onnx", ".onnx", "onnxruntime Q/DQ", _by_onnxruntime)
ORT_DYNAMIC = GraphFiles(
    "ort_dynamic", "ort-dynamic", ".onnx", "onnxruntime dynamic INT8", _by_onnxruntime
)
OV_BF16 = GraphFiles(
    "ov_bf16", "onnx", ".onnx", "OpenVINO bf16", lambda p, n: _by_openvino(p, n, "bf16")
)
NNCF_PTQ = GraphFiles("nncf_ptq", "nncf-ptq", ".xml", "OpenVINO INT8 by NNCF", _by_openvino)
NNCF_GROUPS = GraphFiles(
    "nncf_groups",
    "nncf-weights",
    ".xml",
    "OpenVINO INT8 weights by NNCF, dynamic groups of 32",
    lambda p, n: _by_openvino(p, n, group="32"),
)
