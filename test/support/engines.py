# SPDX-License-Identifier: Apache-2.0
"""A record of engines as the build writes it, beside a bundle, with plans of a few bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from quantvla_ros import __version__
from quantvla_ros.backends.tensorrt.engine_record import (
    GRAPHS,
    Builder,
    EngineRecord,
    PlanRecord,
    bundle_identity,
    plan_file,
    write_record,
)
from quantvla_ros.backends.tensorrt.machine import Machine
from quantvla_ros.bundle.storage import load_manifest

ORIN = Machine(tensorrt="10.3.0", gpu="Orin", sm="8.7", l4t="36.4.3")


def write_engines(bundle: Path, machine: Machine = ORIN, folder: str = "tensorrt-test") -> Path:
    """Write both plans and the record; returns their folder."""
    plans = {graph: ("0" * 64, f"plan of {graph}".encode(), ["mlp.up"]) for graph in GRAPHS}
    made = bundle / "engines" / folder
    made.mkdir(parents=True)
    write_plans(made, load_manifest(bundle), machine, {"vision": "fp16"}, plans)
    return made


def write_plans(folder, manifest, machine, precision, plans):
    """Write plans, by graph its hash, content and integer linears, and their record."""
    records = {}
    for graph, (of, plan, linears) in plans.items():
        plan_file(folder, graph).write_bytes(plan)
        records[graph] = PlanRecord(
            graph=of,
            plan=hashlib.sha256(plan).hexdigest(),
            plan_bytes=len(plan),
            int8_products=1,
            int8_linears=linears,
            float_linears=["out"],
            seconds=1.0,
            memory_bytes=10**9,
        )
    record = EngineRecord(
        package=__version__,
        bundle=bundle_identity(manifest),
        machine=machine,
        builder=Builder(name="onnx", version=str(machine.tensorrt)),
        precision=precision,
        plans=records,
    )
    write_record(folder, record)
