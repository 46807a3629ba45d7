# SPDX-License-Identifier: Apache-2.0
"""Which bundles stock TensorRT can compute, and in one sentence why not."""

from __future__ import annotations

from pathlib import Path

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.network import layer_precision
from quantvla_ros.quantization.schemes import Precision

ACTIVATION_BITS = 8
_MEND = "`quantvla quantize --target tensorrt` makes the right bundle"


def why_not(precision: Precision) -> str | None:
    """Why layers of a precision cannot run as TensorRT's INT8 products; None if they can."""
    if precision.packed:
        return f"weights of {precision.weight_bits} bits; TensorRT's products take 8"
    if precision.group is not None:
        return f"weights in groups of {precision.group}; TensorRT takes one scale a channel"
    if precision.activation == "dynamic":
        return "ranges found at run time; TensorRT takes one fixed range a tensor"
    if precision.activation == "float":
        return "activations that stay float; TensorRT multiplies 8-bit weights by 8-bit inputs"
    return None


def check_bundle(path: Path, manifest: BundleManifest) -> None:
    """Refuse a bundle whose integers stock TensorRT does not compute.

    Raises:
        BackendError: names the first such layer and the command that makes the right bundle.
    """
    quantization = manifest.quantization
    if quantization is None:
        return
    for record in quantization.layers:
        precision = layer_precision(record)
        if precision is not None and (why := why_not(precision)):
            raise BackendError(f"layer '{record.name}' of bundle {path} has {why}; {_MEND}")
    integer = any(r.precision != "float" for r in quantization.layers)
    if integer and quantization.activation_bits != ACTIVATION_BITS:
        raise BackendError(
            f"bundle {path} has activations of {quantization.activation_bits} bits, as a CPU "
            f"without VNNI takes them, and TensorRT computes {ACTIVATION_BITS}; {_MEND}"
        )
