# SPDX-License-Identifier: Apache-2.0
"""Bundles with one fixed range a tensor, made without calibration; never for a robot."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from calib_tools.quantize.layer_records import layer_records, on_disk
from quantvla_ros.bundle.schema import Quantization
from quantvla_ros.bundle.storage import load_bundle, save_bundle
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision

STATIC = Precision(8, activation="static")
SCALE = 0.05


def save_static_bundle(
    source: Path,
    out: Path,
    layout: str = "llm+dit_mlp",
    precision: Precision = STATIC,
    activation_bits: Literal[7, 8] = 8,
    rotation: int | None = None,
) -> Path:
    """Round the layers of a layout to nearest; every activation has the scale `SCALE`.

    Args:
        source: float bundle.
        out: directory to write.
        layout: a key of `LAYOUTS`.
        precision: of every layer.
        activation_bits: of the bundle.
        rotation: block of the Hadamard transform of every input, or None.
    """
    bundle = load_bundle(source)
    network, family = load_network(bundle), find_family(bundle.manifest.family)
    roles = family.roles(network)
    for name in select_layers(roles, layout):
        linear = linear_at(network, name)
        codes = round_nearest(linear.weight.float(), precision.weight_bits, precision.group)
        step = torch.tensor(SCALE) if precision.activation == "static" else None
        layer = QuantizedLinear.from_codes(
            codes, linear.bias, precision, activation_bits, step, rotation
        )
        replace_module(network, name, layer)
    quantization = Quantization(
        scheme="w4a8" if precision.packed else "w8a8",
        layout=layout,
        activation_bits=activation_bits,
        layers=layer_records(network, roles),
        alpha={},
        beta={},
        corrections_kept=[],
        calibration_sha256="0" * 64,
    )
    manifest = bundle.manifest.model_copy(update={"quantization": quantization})
    return save_bundle(out, manifest, on_disk(network), bundle.tokenizer.json)
