# SPDX-License-Identifier: Apache-2.0
"""The network of any bundle, with integer layers where the bundle says so."""

from __future__ import annotations

from torch import nn

from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.errors import BundleError
from quantvla_ros.models.build import empty_network, fill
from quantvla_ros.models.pi05 import Pi05, layer_roles
from quantvla_ros.quantization.integer_linear import (
    IntegerLinear,
    replace_module,
)
from quantvla_ros.quantization.layouts import select_layers


def load_network(bundle: Bundle) -> Pi05:
    """Build and fill the bundle's network.

    Raises:
        BundleError: tensors do not fit, or fewer layers are integer than the layout says.
    """
    network = empty_network(bundle.manifest)
    quantization = bundle.manifest.quantization
    if quantization is not None:
        expected = select_layers(layer_roles(network), quantization.layout)
        listed = {r.name for r in quantization.layers if r.precision == "int8"}
        if listed != set(expected):
            raise BundleError(
                f"bundle {bundle.path} lists {len(listed)} integer layers but its layout "
                f"'{quantization.layout}' has {len(expected)}; quantize it again"
            )
        for name in expected:
            linear = network.get_submodule(name)
            assert isinstance(linear, nn.Linear)
            empty = IntegerLinear.empty(linear, quantization.activation_bits)
            replace_module(network, name, empty)
    fill(network, bundle.tensors)
    return network
