# SPDX-License-Identifier: Apache-2.0
"""A backend that computes the graphs of engines without TensorRT: slow, and a check of them.

The graphs are exported and written as ONNX files as for an engine, and onnxruntime computes their
quantizers and casts one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from quantvla_ros.backends.base import Backend, BuildOptions, Options
from quantvla_ros.bundle.directory import written_directory
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.quantization.network import load_network

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.backends.graphs.runner import GraphRunner
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision

NAME = "qdq_on_cpu"
GRAPHS = ("context", "step")


class QdqOnCpu(Backend):
    """Float16 around the integers, whatever the calibration saw."""

    name = NAME
    activations = "static"

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`."""
        return 8

    def target(self) -> str:
        """See `Backend`: what a CPU rounds is the same on each but for last bits."""
        return "any"

    def build(self, path: Path, options: BuildOptions) -> Path:
        """Write both graphs of the bundle at `path` (see `Backend`)."""
        bundle = load_bundle(path)
        folder = self.engine_folder(path)
        _write(bundle, load_network(bundle), folder)
        return folder

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> GraphRunner:
        """See `Backend`; graphs that are not there yet are written."""
        from calib_tools.bench.onnx_runtime import half, session
        from quantvla_ros.backends.graphs.export import graphs_of
        from quantvla_ros.backends.graphs.runner import GraphRunner

        folder = self.engine_folder(bundle.path)
        if not folder.is_dir():
            _write(bundle, network, folder)
        # What onnxruntime could fuse stays as it is written.
        context, step = (half(session(folder / f"{name}.onnx", optimized=False)) for name in GRAPHS)
        return GraphRunner(network, graphs_of(bundle, network), context, step, "onnxruntime Q/DQ")


def _write(bundle: Bundle, network: Network, folder: Path) -> None:
    from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
    from quantvla_ros.backends.graphs.onnx_file import write_onnx

    parts = graphs_of(bundle, network).part_names
    programs = export_graphs(bundle, network, dict.fromkeys(parts, torch.float16))
    with written_directory(folder, force=True) as draft:
        for name in GRAPHS:
            write_onnx(programs[name], draft / f"{name}.onnx")


BACKEND = QdqOnCpu()
