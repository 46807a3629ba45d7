# SPDX-License-Identifier: Apache-2.0
"""The network of any bundle, with quantized layers where the bundle says so."""

from __future__ import annotations

import torch

from quantvla_ros.bundle.schema import LayerRecord, Quantization
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.models.build import empty_network, load_weights
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.quantization.layouts import AUTO, select_layers
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.schemes import Precision

BITS = {"int8": 8, "int4": 4}


def layer_precision(record: LayerRecord) -> Precision | None:
    """The precision that a bundle's record of a layer stands for; None for a float layer."""
    if record.activation is None:
        return None
    return Precision(BITS[record.precision], record.group, record.activation)


def load_network(bundle: Bundle) -> Network:
    """Build and fill the bundle's network.

    Raises:
        BundleError: tensors do not fit, or other layers are integer than the layout says.
    """
    network = empty_network(bundle.manifest)
    quantization = bundle.manifest.quantization
    if quantization is not None:
        roles = find_family(bundle.manifest.family).roles(network)
        records = {r.name: r for r in quantization.layers if r.precision != "float"}
        _check_layout(bundle, quantization, roles, set(records))
        with torch.device("meta"):
            for record in records.values():
                _make_room(bundle, network, record, quantization.activation_bits)
    load_weights(network, bundle.tensors)
    return network


def _check_layout(
    bundle: Bundle, quantization: Quantization, roles: dict[str, str], listed: set[str]
) -> None:
    layout = quantization.layout
    unknown = sorted(listed - set(roles))
    if unknown:
        raise BundleError(
            f"bundle {bundle.path} lists the integer layer '{unknown[0]}', which its network does "
            "not have; quantize it again"
        )
    expected = set(select_layers(roles, layout, quantization.keep_float))
    # The search chose the layers of an automatic layout: the list itself is the layout.
    if layout != AUTO and listed != expected:
        raise BundleError(
            f"bundle {bundle.path} lists {len(listed)} integer layers but its layout "
            f"'{layout}' has {len(expected)}; quantize it again"
        )


def _make_room(bundle: Bundle, network: Network, record: LayerRecord, activation_bits: int) -> None:
    """Put an empty quantized layer where the record says."""
    linear, precision = linear_at(network, record.name), layer_precision(record)
    assert precision is not None
    try:
        empty = QuantizedLinear.empty(linear, precision, activation_bits, record.rotation)
    except QuantVLAError as error:
        raise BundleError(f"layer '{record.name}' of bundle {bundle.path}: {error}") from error
    replace_module(network, record.name, empty)
