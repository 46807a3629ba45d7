# SPDX-License-Identifier: Apache-2.0
"""What a compiled engine really multiplies: its layers with the data types that they read.

A Q/DQ pair in a graph promises nothing: it may be folded away, or TensorRT may find no integer
kernel, and the plan works all the same. So products of integers are counted after the build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from quantvla_ros.backends.tensorrt.builders.linear_names import marked
from quantvla_ros.backends.tensorrt.builders.plan import Plan
from quantvla_ros.errors import BackendError

_PRODUCT = re.compile(r"gemm|matmul|matrix|conv|fully", re.IGNORECASE)
"""Kinds of compiled layers that multiply; fused elementwise work is a "kgen"."""
_INT8 = re.compile(r"\bint8\b", re.IGNORECASE)
_TYPE_KEYS = ("Datatype", "Format/Datatype", "Format", "Type")  # by version and kind of layer
_SHOWN = 5


@dataclass(frozen=True)
class CompiledLayer:
    """One layer of a compiled engine.

    Attributes:
        name: as TensorRT calls it, after the layers that it was made of.
        kind: what it is, such as "gemm" or "kgen".
        reads_int8: it takes an INT8 tensor.
        linears: names of the integer linears in it.
    """

    name: str
    kind: str
    reads_int8: bool
    linears: tuple[str, ...]

    @property
    def int8_product(self) -> bool:
        """Whether it multiplies integers."""
        return self.reads_int8 and bool(_PRODUCT.search(self.kind))


def compiled_layers(trt: Any, plan: Plan, local: bool) -> list[CompiledLayer]:
    """The layers of a plan.

    Args:
        trt: TensorRT's module.
        plan: just built.
        local: it is for this machine, so that the engine's own inspector can be asked; the build
            log otherwise.

    Raises:
        BackendError: the engine cannot be loaded on the machine that it was built for.
    """
    if not local:
        return layers_of_log(plan.layers)
    log = trt.Logger(trt.Logger.ERROR)
    engine = trt.Runtime(log).deserialize_cuda_engine(plan.content)
    if engine is None:
        raise BackendError("the engine that was just built cannot be loaded; build it again")
    inspector = engine.create_engine_inspector()
    return layers_of_inspector(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def layers_of_inspector(text: str) -> list[CompiledLayer]:
    """Layers from the JSON of TensorRT's engine inspector.

    Raises:
        BackendError: it has names alone: the engine was not built with all details.
    """
    found = []
    for layer in json.loads(text)["Layers"]:
        if not isinstance(layer, dict):
            raise BackendError("the engine tells the names of its layers alone; build it again")
        kind = str(layer.get("LayerType", ""))
        types = [_type(tensor) for tensor in layer.get("Inputs", ())]
        found.append(_layer(layer["Name"], kind, types, str(layer.get("Metadata", ""))))
    return found


def layers_of_log(lines: Iterable[str]) -> list[CompiledLayer]:
    """Layers from the lines of a build log that describe them."""
    found = []
    for line in lines:
        head, _, rest = line.partition(", LayerType: ")
        kind, _, rest = rest.partition(", Inputs: [")
        inputs = re.split(r"\], (?:Constants|Weights|Outputs): \[", rest)[0]
        metadata = rest.rpartition("Metadata: ")[2]
        types = re.findall(r"Datatype: (\w+)", inputs)
        found.append(_layer(head.rpartition("Name: ")[2], kind, types, metadata))
    return found


def check_products(
    layers: Sequence[CompiledLayer], expected: Iterable[str], part: str, builder: str
) -> list[CompiledLayer]:
    """The products of integers of one engine, which must hold exactly the expected linears.

    Args:
        layers: of the engine.
        expected: integer linears that its graph must compute.
        part: of the policy, for the sentence.
        builder: in words, for the sentence.

    Raises:
        BackendError: names the linears that are not, or the products that hold none.
    """
    products = [layer for layer in layers if layer.int8_product]
    held = {name for product in products for name in product.linears}
    wanted = set(expected)
    if missing := sorted(wanted - held):
        raise BackendError(
            f"{builder} left {len(missing)} of {len(wanted)} INT8 linears of '{part}' in floating "
            f"point ({_some(missing)}), so no engine was kept; try the other builder (--builder), "
            "and report this with the build's output"
        )
    foreign = sorted(held - wanted) or [p.name for p in products if not p.linears]
    if foreign:
        raise BackendError(
            f"the engine '{part}' by {builder} multiplies integers that the bundle leaves float "
            f"({_some(foreign)}), so it was not kept; report this with the build's output"
        )
    return products


def _layer(name: str, kind: str, types: Iterable[str], metadata: str) -> CompiledLayer:
    linears = tuple(dict.fromkeys(marked(f"{name} {metadata}")))
    return CompiledLayer(name, kind, any(_INT8.search(t) for t in types), linears)


def _type(tensor: Any) -> str:
    if not isinstance(tensor, dict):
        return ""
    return " ".join(str(tensor[key]) for key in _TYPE_KEYS if key in tensor)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
