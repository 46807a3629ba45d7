# SPDX-License-Identifier: Apache-2.0
"""The backend for engines on a machine without a GPU: real graphs, stand-ins for what runs them."""

from __future__ import annotations

import os
import sys

import torch
from support.engines import ORIN, write_plans

from quantvla_ros.backends.tensorrt.backend import TensorRTBackend
from quantvla_ros.bundle.storage import load_bundle

MACHINE_VARIABLE = "ENGINE_GPU"  # name of the GPU that this machine has


class StandInEngines(TensorRTBackend):
    """Builds and runs as `tensorrt` does, but for TensorRT and CUDA themselves."""

    name = "stand_in_engines"

    def machine(self):
        return ORIN.model_copy(update={"gpu": os.environ.get(MACHINE_VARIABLE, ORIN.gpu)})

    def build(self, path, options=None):
        from support.stand_in_tensorrt import plan_of

        from quantvla_ros.backends.graphs.export import export_graphs, graph_hash, graphs_of
        from quantvla_ros.backends.tensorrt.builders.linear_names import integer_linears
        from quantvla_ros.backends.tensorrt.part_linears import integer_linears_of
        from quantvla_ros.models.families import find_family
        from quantvla_ros.quantization.network import load_network

        bundle = load_bundle(path)
        network = load_network(bundle)
        graphs, family = graphs_of(bundle, network), find_family(bundle.manifest.family)
        names = integer_linears(network, family.unused(network))
        parts = {*graphs.parts.values(), graphs.context.part, graphs.step.part}
        programs = export_graphs(bundle, network, dict.fromkeys(parts, torch.float32))
        folder = self.engine_folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        plans = {
            graph: (graph_hash(made), plan_of(made), integer_linears_of(made, names))
            for graph, made in programs.items()
        }
        precision = dict.fromkeys(parts, "fp32")
        write_plans(folder, bundle.manifest, self.machine(), precision, plans)
        return folder

    def load(self, bundle, network, options, example):
        if "tensorrt" not in sys.modules:  # as in the inference process of a node
            from support.stand_in_tensorrt import install

            install()
        return super().load(bundle, network, options, example)


BACKEND = StandInEngines()
