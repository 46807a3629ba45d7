# SPDX-License-Identifier: Apache-2.0
"""Builds both engines of a bundle; runs in a process of its own (see `engines`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from quantvla_ros.backends.graphs.program import graph_tensors, weight_bytes
from quantvla_ros.backends.tensorrt.builders import BUILDERS, choose_builder
from quantvla_ros.backends.tensorrt.builders.linear_names import integer_linears
from quantvla_ros.backends.tensorrt.builders.plan import Plan, Settings
from quantvla_ros.backends.tensorrt.compiled_layers import check_products, compiled_layers
from quantvla_ros.backends.tensorrt.engine_record import (
    GRAPHS,
    TIMING_CACHE,
    Builder,
    EngineRecord,
    PlanRecord,
    bundle_identity,
    plan_file,
)
from quantvla_ros.backends.tensorrt.engine_tensors import differences
from quantvla_ros.backends.tensorrt.library import check_version, is_rtx, tensorrt
from quantvla_ros.backends.tensorrt.machine import Machine
from quantvla_ros.backends.tensorrt.memory import (
    check_memory,
    forget_peak,
    peak_memory,
)
from quantvla_ros.backends.tensorrt.part_linears import (
    check_complete,
    float_linears,
    integer_linears_of,
)
from quantvla_ros.bundle.storage import file_hash, load_bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.memory import held_memory
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.network import load_network
from quantvla_ros.version import __version__

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from quantvla_ros.models.graphs import Graphs


Progress = Callable[[str, float], None]

_EXPORTED = 0.1  # share of the work, roughly
GB, MB = 1e9, 1e6


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes:
        bundle: directory of the bundle.
        folder: where plans and timing cache are written.
        builder: name, or "auto".
        precision: kind of float of all parts, or "auto".
        machine: that the engines are for.
        local: whether that is this one; TensorRT-RTX alone can build for another GPU.
        largest: see `BuildOptions`.
    """

    bundle: Path
    folder: Path
    builder: str
    precision: str
    machine: Machine
    local: bool = True
    largest: Mapping[str, float] = field(default_factory=dict)


def build_all(request: Request, progress: Progress, say: Callable[[str], None]) -> EngineRecord:
    """Export both graphs, build one after the other, and look into each engine.

    Args:
        request: see there.
        progress: called with what happens now and the share done.
        say: called with a sentence that a person should read.

    Raises:
        BackendError: this cannot be built here; says why.
    """
    from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
    from quantvla_ros.backends.tensorrt.precision import KINDS, choose_precision, largest_of

    module, name, version, sentence = choose_builder(request.builder)
    say(f"{sentence}.")
    progress("export the graphs", 0.0)
    bundle = load_bundle(request.bundle)
    network = load_network(bundle)
    family = find_family(bundle.manifest.family)
    names = integer_linears(network, family.unused(network))
    rest = float_linears(family, network)
    graphs = graphs_of(bundle, network)
    check_needs(graphs)
    known = largest_of(bundle.manifest, graphs)
    measured = {part: request.largest.get(part, seen) for part, seen in known.items()}
    precision = choose_precision(measured, request.precision, graphs.no_fp16)
    for part, why in graphs.no_fp16.items():
        say(f"Part '{part}' is not computed in float16: {why}.")
    programs = export_graphs(bundle, network, precision)
    held = {graph: integer_linears_of(program, names) for graph, program in programs.items()}
    check_complete(names, held.values())
    identity = bundle_identity(bundle.manifest)
    del network, bundle  # the programs hold what they need
    plans = {}
    for index, graph in enumerate(GRAPHS):

        def show(share: float, graph: str = graph, before: int = index) -> None:
            done = (before + share) / len(GRAPHS)
            progress(f"build '{graph}'", _EXPORTED + (1 - _EXPORTED) * done)

        show(0.0)
        sm = None if request.local else request.machine.sm
        settings = Settings(names, request.folder / TIMING_CACHE, sm, show)
        plans[graph] = _build(
            graph, programs.pop(graph), module, name, settings, request, held[graph], rest[graph]
        )
        say(_told(graph, plans[graph]))
    kinds = {kind: word for word, kind in KINDS.items()}
    return EngineRecord(
        package=__version__,
        bundle=identity,
        machine=request.machine,
        builder=Builder(name=name, version=version),
        precision={part: kinds[kind] for part, kind in precision.items()},
        plans=plans,
    )


def check_needs(graphs: Graphs) -> None:
    """Refuse graphs that a newer TensorRT alone can build.

    Raises:
        BackendError: names the graph and the version.
    """
    trt = tensorrt()
    for name, graph in zip(GRAPHS, (graphs.context, graphs.step), strict=True):
        if graph.tensorrt is not None and not is_rtx(trt):
            check_version(str(trt.__version__), graph.tensorrt, f"'{name}' of this policy")


def check_tensors(graph: str, program: ExportedProgram, plan: Plan) -> None:
    """Refuse a plan whose inputs and outputs are not those that the runtime will look for.

    Raises:
        BackendError: names the tensors.
    """
    if words := differences(graph_tensors(program), plan.tensors):
        raise BackendError(
            f"the engine '{graph}' has other tensors than its graph ({'; '.join(words[:3])}), so "
            "it was not kept; try the other builder (--builder), and report this"
        )


def _build(
    graph: str,
    program: ExportedProgram,
    builder: ModuleType,
    name: str,
    settings: Settings,
    request: Request,
    integer: list[str],
    rest: list[str],
) -> PlanRecord:
    """Build one plan, check that it multiplies the integers, and keep it."""
    from quantvla_ros.backends.graphs.export import graph_hash

    check_memory(graph, weight_bytes(program), held_memory())
    forget_peak()
    began = time.monotonic()
    plan = builder.build_plan(program, settings)
    seconds, memory = time.monotonic() - began, peak_memory()
    layers = compiled_layers(tensorrt(), plan, request.local)
    check_tensors(graph, program, plan)
    products = check_products(layers, integer, graph, BUILDERS[name])
    path = plan_file(request.folder, graph)
    path.write_bytes(plan.content)
    return PlanRecord(
        graph=graph_hash(program),
        plan=file_hash(path),
        plan_bytes=len(plan.content),
        int8_products=len(products),
        int8_linears=integer,
        float_linears=rest,
        seconds=round(seconds, 2),
        memory_bytes=memory,
    )


def _told(graph: str, record: PlanRecord) -> str:
    """A plan in a sentence."""
    integers = f"{record.int8_products} INT8 products hold {len(record.int8_linears)} linears"
    return (
        f"'{graph}': {integers if record.int8_linears else 'all float'}; "
        f"{record.plan_bytes / MB:.1f} MB, {record.seconds:.0f} s, "
        f"{record.memory_bytes / GB:.1f} GB of memory."
    )
