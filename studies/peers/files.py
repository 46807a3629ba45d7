# SPDX-License-Identifier: Apache-2.0
"""Writes the graphs that other tools run, and has them quantize the float ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calib_tools.common.progress import Report
from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
from quantvla_ros.backends.graphs.onnx_file import write_onnx
from quantvla_ros.backends.graphs.runner import GraphRunner, Half
from quantvla_ros.backends.openvino.signal_stack import own_signal_stack
from quantvla_ros.backends.policy import policy_of
from quantvla_ros.bundle.directory import written_directory
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.families import find_family
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.graphs import Graph
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.quantization.network import load_network
from quantvla_ros.robot.observation import Observation
from studies.peers.backend import GRAPHS, folder_of

SEED = 3  # of the calibration's noise; not the gate's
Given = dict[str, list[dict[str, Any]]]
"""Inputs of each graph, as a policy gave them to it."""


def write_graphs(bundle: Path, report: Report) -> None:
    """Both graphs of a float or static bundle as ONNX files in float32."""
    folder = folder_of(bundle, "onnx")
    if folder.exists():
        return
    report(f"writing the graphs of '{bundle.name}'")
    loaded = load_bundle(bundle)
    network = load_network(loaded)
    parts = graphs_of(loaded, network).part_names
    programs = export_graphs(loaded, network, dict.fromkeys(parts, torch.float32))
    with written_directory(folder, force=False) as draft:
        for name in GRAPHS:
            write_onnx(programs.pop(name), draft / f"{name}.onnx")


def quantize_graphs(bundle: Path, samples: Sequence[Observation], report: Report) -> None:
    """Let onnxruntime and NNCF quantize the float graphs as they do by default.

    Args:
        bundle: float, with its graphs written.
        samples: of the calibration buffer; NNCF sees what the float policy makes of all.
        report: told what happens.
    """
    given: list[Given] = []

    def calibration(name: str) -> list[dict[str, Any]]:
        if not given:
            report(f"playing {len(samples)} samples for the calibration")
            given.append(_given(bundle, samples))
        return given[0][name]

    tools: dict[str, Callable[[Path, Path, str], None]] = {
        "ort-dynamic": lambda source, out, name: _ort_dynamic(source, out / f"{name}.onnx"),
        "nncf-weights": lambda source, out, name: _nncf_weights(source, out / f"{name}.xml"),
        "nncf-ptq": lambda source, out, name: _nncf_ptq(
            source, out / f"{name}.xml", calibration(name)
        ),
    }
    for tool, quantize in tools.items():
        folder = folder_of(bundle, tool)
        if folder.exists():
            continue
        report(tool)
        with written_directory(folder, force=False) as draft:
            for name in GRAPHS:
                quantize(folder_of(bundle, "onnx") / f"{name}.onnx", draft, name)


def _ort_dynamic(source: Path, out: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, out, weight_type=QuantType.QInt8)


@own_signal_stack()
def _nncf_weights(source: Path, out: Path) -> None:
    import nncf
    import openvino

    model = nncf.compress_weights(
        openvino.Core().read_model(source), mode=nncf.CompressWeightsMode.INT8_SYM
    )
    openvino.save_model(model, out, compress_to_fp16=False)


@own_signal_stack()
def _nncf_ptq(source: Path, out: Path, given: list[dict[str, Any]]) -> None:
    import nncf
    import openvino

    # As its documentation advises for transformers; without, it is half as exact here.
    model = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(given),
        subset_size=len(given),
        model_type=nncf.ModelType.TRANSFORMER,
    )
    openvino.save_model(model, out, compress_to_fp16=False)


def _given(bundle: Path, samples: Sequence[Observation]) -> Given:
    """What the float policy gives to each graph on all samples, all steps of the flow included."""
    loaded = load_bundle(bundle)
    policy = policy_of(loaded, load_network(loaded))
    graphs = graphs_of(loaded, policy.network)
    given: Given = {name: [] for name in GRAPHS}
    context, step = (_recorded(getattr(graphs, name), given[name]) for name in GRAPHS)
    runner = GraphRunner(policy.network, graphs, context, step, "float32")
    flow = find_family(loaded.manifest.family).flow(loaded.manifest)
    with torch.inference_mode():
        for index, observation in enumerate(samples):
            noise = torch.from_numpy(draw_noise(policy.manifest, SEED, index))[None]
            normalized_chunk(runner, noise, runner.encode(policy.inputs(observation)), flow)
    return given


def _recorded(graph: Graph, seen: list[dict[str, Any]]) -> Half:
    """A graph by PyTorch that keeps what it is given."""

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        seen.append({name: given[name].numpy().copy() for name in graph.inputs})
        return graph.named(graph.module(*(given[name] for name in graph.inputs)))

    return run
