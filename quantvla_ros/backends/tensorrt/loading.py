# SPDX-License-Identifier: Apache-2.0
"""From the engines beside a bundle to a runner; nothing is built or repaired here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from quantvla_ros.backends.graphs.export import graphs_of
from quantvla_ros.backends.runner import held_bytes, is_integer
from quantvla_ros.backends.tensorrt.engine_record import (
    GRAPHS,
    EngineRecord,
    fitting_record,
    plan_file,
)
from quantvla_ros.backends.tensorrt.engine_set import EngineSet
from quantvla_ros.backends.tensorrt.library import tensorrt
from quantvla_ros.backends.tensorrt.machine import Machine
from quantvla_ros.backends.tensorrt.precision import KINDS
from quantvla_ros.backends.tensorrt.runtime import EngineRunner
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.models.family import Network
from quantvla_ros.models.graphs import Graphs


def load_runner(
    bundle: Bundle,
    folder: Path,
    machine: Machine,
    network: Network,
    sequential: bool,
    example: Mapping[str, Tensor],
) -> EngineRunner:
    """Load a bundle's engines.

    Args:
        bundle: that they were built of.
        folder: where they lie.
        machine: this one.
        network: of the bundle; it computes what a flow time changes, on the host.
        sequential: hold one engine at a time.
        example: inputs of the network.

    Raises:
        BackendError: there are no engines for this machine or of this bundle, one is damaged, or
            GPU, TensorRT or memory will not do; says what mends it.
    """
    record = fitting_record(bundle.path, folder, bundle.manifest, machine)
    graphs = graphs_of(bundle, network)
    engines = EngineSet(
        tensorrt(),
        {name: plan_file(folder, name) for name in GRAPHS},
        {name: plan.plan for name, plan in record.plans.items()},
        sequential,
        f"run `quantvla build {bundle.path} --force` on this machine",
    )
    integers = {name for plan in record.plans.values() for name in plan.int8_linears}
    return EngineRunner(
        engines,
        graphs,
        example,
        _kernel(record, bool(integers)),
        _layer_bytes(network, graphs, record),
        len(integers),
    )


def _kernel(record: EngineRecord, integers: bool) -> str:
    """Such as "TensorRT INT8, rest fp16"."""
    kinds = "+".join(sorted(set(record.precision.values())))
    return f"TensorRT INT8, rest {kinds}" if integers else f"TensorRT {kinds}"


def _layer_bytes(network: nn.Module, graphs: Graphs, record: EngineRecord) -> dict[str, int]:
    """Bytes of each linear as the engines hold it."""
    found = {}
    for name, module in network.named_modules():
        if is_integer(module):
            found[name] = held_bytes(module)
        elif isinstance(module, nn.Linear):
            part = graphs.part_of(name, graphs.context.part)
            size = KINDS[record.precision[part]].itemsize
            found[name] = sum(p.numel() for p in module.parameters()) * size
    return found
