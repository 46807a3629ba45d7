# SPDX-License-Identifier: Apache-2.0
"""onnxruntime, a yardstick: what a user would run the float policy by; no robot does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantvla_ros.backends.base import Backend, Options
from quantvla_ros.backends.graphs.runner import GraphRunner, Half
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision


class OnnxRuntime(Backend):
    """The two graphs in float32, with all that onnxruntime fuses by itself."""

    name = "onnxruntime"
    needed = ("onnxruntime", "onnx", "onnxscript")

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`; it runs float bundles."""
        return 8

    def target(self) -> str:
        """See `Backend`."""
        return f"onnxruntime {metadata.version('onnxruntime')}"

    def check(self, options: Options) -> None:
        """See `Backend`: its packages."""
        installed = {one.metadata["Name"].lower() for one in metadata.distributions()}
        if lacking := [name for name in self.needed if name not in installed]:
            raise BackendError(
                f"onnxruntime is not measured: {' and '.join(lacking)} not installed here: "
                "pip install -r requirements/peers.txt"
            )

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> GraphRunner:
        """See `Backend`; writes both graphs for the moment that loading takes."""
        from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
        from quantvla_ros.backends.graphs.onnx_file import write_onnx

        graphs = graphs_of(bundle, network)
        programs = export_graphs(bundle, network, dict.fromkeys(graphs.part_names, torch.float32))
        halves = {}
        with tempfile.TemporaryDirectory(prefix="quantvla-onnx-") as folder:
            for name, program in programs.items():
                path = Path(folder) / f"{name}.onnx"
                write_onnx(program, path)
                halves[name] = half(session(path, options.threads))
        context, step = halves["context"], halves["step"]
        return GraphRunner(network, graphs, context, step, "onnxruntime fp32")


def session(path: Path, threads: int = 1, optimized: bool = True) -> Any:
    """An ONNX file, ready to run.

    Args:
        path: of the file.
        threads: of a call.
        optimized: whether onnxruntime may fuse operators; else it computes what is written.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # what a robot measures is its owner's

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    )
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def half(loaded: Any) -> Half:
    """A session as a function of named tensors."""
    inputs = [one.name for one in loaded.get_inputs()]
    outputs = [one.name for one in loaded.get_outputs()]

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = loaded.run(None, {name: given[name].numpy() for name in inputs})
        return {n: torch.from_numpy(value) for n, value in zip(outputs, found, strict=True)}

    return run
