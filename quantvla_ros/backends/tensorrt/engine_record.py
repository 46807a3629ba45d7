# SPDX-License-Identifier: Apache-2.0
"""`engine.json`: what engines are of, for which machine, and what the build found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantvla_ros.backends.tensorrt.machine import Machine
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import BackendError
from quantvla_ros.validation import first_problem
from quantvla_ros.whole_file import write_file

RECORD, TIMING_CACHE = "engine.json", "timing.cache"
GRAPHS = ("context", "step")
_SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Builder(_Model):
    """What made TensorRT's network of the graphs, and its version."""

    name: Literal["torch_tensorrt", "onnx"]
    version: str


class PlanRecord(_Model):
    """One plan.

    Attributes:
        graph: hash of the exported graph.
        plan: sha256 of the plan.
        plan_bytes: its size.
        int8_products: products of integers in the compiled engine; several linears that read the
            same tensor may be one.
        int8_linears: linears that they hold.
        float_linears: other linears of the graph.
        seconds: that the build took.
        memory_bytes: largest memory of the building process meanwhile.
    """

    graph: str
    plan: _SHA256
    plan_bytes: int = Field(gt=0)
    int8_products: int = Field(ge=0)
    int8_linears: list[str]
    float_linears: list[str]
    seconds: float = Field(ge=0)
    memory_bytes: int = Field(ge=0)


class EngineRecord(_Model):
    """All of `engine.json`.

    Attributes:
        package: version of this package that built the plans.
        bundle: what `bundle_identity` gives.
        machine: that the plans were built for.
        builder: that made them.
        precision: kind of float of each part of the policy, as the family names parts.
        plans: by the name of the graph.
    """

    schema_version: Literal[1] = 1
    package: str
    bundle: _SHA256
    machine: Machine
    builder: Builder
    precision: dict[str, Literal["fp16", "bf16", "fp32"]]
    plans: dict[Literal["context", "step"], PlanRecord]


def bundle_identity(manifest: BundleManifest) -> str:
    """Hash of all that engines depend on: the manifest but for gate and calibration statistics.

    Judging a bundle again (`quantvla gate --write`) changes its file and no engine of it.
    """
    content = manifest.model_dump(mode="json", exclude={"gate", "calibration"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plan_file(folder: Path, graph: str) -> Path:
    """Where the plan of a graph lies."""
    return folder / f"{graph}.plan"


def write_record(folder: Path, record: EngineRecord) -> None:
    """Write `engine.json`."""
    write_file(folder / RECORD, record.model_dump_json(indent=1) + "\n")


def read_record(folder: Path) -> EngineRecord:
    """Read `engine.json`.

    Raises:
        BackendError: it is missing, of another version of this package, or damaged.
    """
    path = folder / RECORD
    try:
        return EngineRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BackendError(f"'{path}' cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise BackendError(f"'{path}' is not valid at {first_problem(error)}") from error


def fitting_record(
    bundle: Path, folder: Path, manifest: BundleManifest, machine: Machine
) -> EngineRecord:
    """The record of the engines in `folder`, if they are this bundle's and this machine's.

    Args:
        bundle: directory of the bundle, for the sentence.
        folder: where its engines for this machine lie.
        manifest: of the bundle.
        machine: that shall run them.

    Raises:
        BackendError: there are none, or they are of another bundle or machine; says the command
            that mends it.
    """
    mend = f"run `quantvla build {bundle}` on this machine"
    if not (folder / RECORD).exists():
        others = _others(folder.parent)
        there = f", only for {'; '.join(others)}" if others else ""
        raise BackendError(f"bundle {bundle} has no engines for {machine}{there}; {mend}")
    record = read_record(folder)
    if record.machine != machine:
        raise BackendError(
            f"the engines of bundle {bundle} were built for {record.machine}, and this is "
            f"{machine}; {mend}"
        )
    if record.bundle != bundle_identity(manifest):
        raise BackendError(
            f"the engines beside bundle {bundle} were built of another bundle; {mend}"
        )
    if not all(name in record.plans and plan_file(folder, name).is_file() for name in GRAPHS):
        raise BackendError(f"the engines of bundle {bundle} are not complete; {mend}")
    return record


def _others(engines: Path) -> list[str]:
    """Machines that the bundle has engines for."""
    found = []
    for path in sorted(engines.glob(f"*/{RECORD}")):
        try:
            found.append(str(read_record(path.parent).machine))
        except BackendError:
            continue
    return found
