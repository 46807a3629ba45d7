# SPDX-License-Identifier: Apache-2.0
"""From a bundle's network to a runner by OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.backends.graphs.export import graphs_of
from quantvla_ros.backends.graphs.refusals import check_bundle
from quantvla_ros.backends.graphs.runner import GraphRunner, Half
from quantvla_ros.backends.openvino.compiling import GRAPHS, compiled_graphs, settings
from quantvla_ros.backends.openvino.proof import prove
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.quantization.quantized_linear import quantized_layers


def load_runner(bundle: Bundle, network: Network, threads: int) -> GraphRunner:
    """Make a network ready.

    Args:
        bundle: what the network was made of.
        network: float or with quantized layers; kept, for it makes the graphs' inputs.
        threads: of an inference.

    Raises:
        BackendError: OpenVINO does not run this bundle here, or not exactly.
    """
    graphs = graphs_of(bundle, network)
    layers = quantized_layers(network)
    check_bundle(bundle.path, bundle.manifest, "OpenVINO", "openvino")
    unused = find_family(bundle.manifest.family).unused(network)
    prove({name: layer for name, layer in layers.items() if name not in unused})
    compiled = compiled_graphs(bundle, network, graphs, settings(threads))
    context, step = (half(compiled[name]) for name in GRAPHS)
    kernel = "OpenVINO INT8, rest fp32" if layers else "OpenVINO fp32"
    return GraphRunner(network, graphs, context, step, kernel)


def half(compiled: Any) -> Half:
    """A compiled graph as a function of named tensors; one call at a time.

    Its outputs are copies: those of OpenVINO are overwritten by the next call.
    """
    request = compiled.create_infer_request()
    inputs = [port.get_any_name() for port in compiled.inputs]
    outputs = [port.get_any_name() for port in compiled.outputs]

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        arrays = {name: given[name].contiguous().numpy() for name in inputs}
        found = request.infer(arrays, share_inputs=True)
        return {name: torch.from_numpy(found[name].copy()) for name in outputs}

    return run
