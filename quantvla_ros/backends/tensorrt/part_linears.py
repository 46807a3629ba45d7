# SPDX-License-Identifier: Apache-2.0
"""Which linears of a bundle belong to which exported graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from quantvla_ros.backends.graphs.program import weights
from quantvla_ros.backends.tensorrt.builders.linear_names import weight_digest
from quantvla_ros.errors import BackendError
from quantvla_ros.models.family import Family

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_PART = {"encode": "context", "step": "step"}


def integer_linears_of(program: ExportedProgram, names: Mapping[bytes, Sequence[str]]) -> list[str]:
    """Names of the integer linears whose weights an exported graph holds.

    Args:
        program: exported graph.
        names: names by the digest of the weights (see `integer_linears`).
    """
    found: set[str] = set()
    for tensor in weights(program):
        if tensor.dtype == torch.int8:
            found.update(names.get(weight_digest(tensor.numpy()), ()))
    return sorted(found)


def check_complete(names: Mapping[bytes, Sequence[str]], parts: Iterable[Sequence[str]]) -> None:
    """Refuse graphs that have lost an integer linear.

    Args:
        names: of all that are used (see `integer_linears`).
        parts: what each graph holds.

    Raises:
        BackendError: names the linears that no graph holds.
    """
    held = {name for part in parts for name in part}
    lost = sorted(name for group in names.values() for name in group if name not in held)
    if lost:
        raise BackendError(
            f"the exported graphs hold no integers of {len(lost)} linears that the bundle has "
            f"quantized ({', '.join(lost[:5])}); the family's description of its graphs leaves "
            "them out, or its `unused` should name them"
        )


def float_linears(family: Family, network: nn.Module) -> dict[str, list[str]]:
    """Linears of each graph that stay float.

    Args:
        family: of the network.
        network: before quantized layers take their place, or after: those are left out.
    """
    found: dict[str, list[str]] = {part: [] for part in _PART.values()}
    unused = family.unused(network)
    for name, role in family.roles(network).items():
        # What the flow time alone changes is computed outside of the graphs.
        linear = isinstance(network.get_submodule(name), nn.Linear)
        if linear and role != "condition" and name not in unused:
            found[_PART[family.stage(name)]].append(name)
    return found
