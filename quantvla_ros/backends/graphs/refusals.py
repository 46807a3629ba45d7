# SPDX-License-Identifier: Apache-2.0
"""Which bundles can stand in graphs with explicit Q/DQ, and in one sentence why not."""

from __future__ import annotations

from pathlib import Path

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.network import layer_precision
from quantvla_ros.quantization.schemes import Precision

ACTIVATION_BITS = 8


def why_not(precision: Precision, runtime: str) -> str | None:
    """Why layers of a precision cannot run as INT8 products of Q/DQ graphs; None if they can.

    Args:
        precision: of a layer.
        runtime: what computes the graphs, for the sentence.
    """
    if precision.packed:
        return f"weights of {precision.weight_bits} bits; {runtime}'s products take 8"
    if precision.group is not None:
        return f"weights in groups of {precision.group}; {runtime} takes one scale a channel"
    if precision.activation == "dynamic":
        return f"ranges found at run time; {runtime} takes one fixed range a tensor"
    if precision.activation == "float":
        return f"activations that stay float; {runtime} multiplies 8-bit weights by 8-bit inputs"
    return None


def check_bundle(path: Path, manifest: BundleManifest, runtime: str, target: str) -> None:
    """Refuse a bundle whose integers Q/DQ graphs do not hold.

    Args:
        path: of the bundle.
        manifest: of the bundle.
        runtime: what computes the graphs.
        target: the backend that it stands behind.

    Raises:
        BackendError: names the first such layer and the command that makes the right bundle.
    """
    mend = f"`quantvla quantize --target {target}` makes the right bundle"
    quantization = manifest.quantization
    if quantization is None:
        return
    for record in quantization.layers:
        precision = layer_precision(record)
        if precision is not None and (why := why_not(precision, runtime)):
            raise BackendError(f"layer '{record.name}' of bundle {path} has {why}; {mend}")
    integer = any(r.precision != "float" for r in quantization.layers)
    if integer and quantization.activation_bits != ACTIVATION_BITS:
        raise BackendError(
            f"bundle {path} has activations of {quantization.activation_bits} bits, as a CPU "
            f"without VNNI takes them, and {runtime} computes {ACTIVATION_BITS}; {mend}"
        )
