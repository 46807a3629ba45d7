# SPDX-License-Identifier: Apache-2.0
"""Bytes of weights by policy and scheme."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from calib_tools.bench.floats import FLOAT
from calib_tools.common.record_file import command_line
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import linear_at
from studies.fits.table import KIND
from studies.full_size.published import published_sizes
from studies.full_size.table import KIND as MEASURED
from studies.study import SCHEMA, read_study

SCHEMES = (None, "w8a8", "w4a8")


def fits(measured: Sequence[Path]) -> dict[str, Any]:
    """The record of all published sizes.

    Args:
        measured: records of `studies.full_size`.

    Raises:
        QuantVLAError: a record cannot be read.
    """
    known = {}
    for path in measured:
        record = read_study(path, MEASURED)
        known[record["network"]["family"]] = record
    rows = []
    for family, sizes in published_sizes().items():
        for scheme in SCHEMES:
            row = computed(family, sizes, scheme)
            if family in known:
                row |= _measured(known[family], scheme)
            rows.append(row)
    return {"schema": SCHEMA, "kind": KIND, "command": command_line(), "rows": rows}


def computed(family: str, sizes: BaseModel, scheme: str | None) -> dict[str, Any]:
    """What shapes say: 16 bits for what stays float on disk, 32 where `cpu` holds it.

    Args:
        family: name.
        sizes: of its network.
        scheme: of quantize; None for float.
    """
    found = find_family(family)
    with torch.device("meta"):
        network = found.build(sizes)
    count = sum(parameter.numel() for parameter in network.parameters())
    integer = scales = 0
    if scheme is not None:
        for name in select_layers(found.roles(network), Recipe().layout):
            linear = linear_at(network, name)
            integer += linear.weight.numel()
            scales += linear.out_features
    bits = max(Recipe(scheme=scheme or "w8a8").checked().precisions())
    held = integer * bits // 8 + 4 * scales
    return {
        "family": family,
        "scheme": scheme or "float",
        "parameters": count,
        "integer_weights": integer,
        "disk_bytes": held + 2 * (count - integer),
        "cpu_bytes": held + 4 * (count - integer),
        "measured": [],
    }


def _measured(record: dict[str, Any], scheme: str | None) -> dict[str, Any]:
    """What a record has instead."""
    found: dict[str, Any] = {}
    made = record["import"] if scheme is None else record["quantization"].get(scheme)
    policy = record["policies"].get(FLOAT if scheme is None else scheme)
    if made is not None and "bundle_bytes" in made:
        found["disk_bytes"] = made["bundle_bytes"]
    if policy is not None:
        found["cpu_bytes"] = policy["weight_bytes"]["all"]
    return {**found, "measured": sorted(found)}
