# SPDX-License-Identifier: Apache-2.0
"""What four-bit weights hold on the loaded backend, on the bundled policy's own shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.quantized_networks import quantize_nearest

from quantvla_ros.backends.policy import policy_of
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.quantization.layerwise import load_on_tensors
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.schemes import Precision

PANDA = Path(__file__).parents[2] / "policies" / "panda"


@pytest.mark.parametrize(
    "precision",
    [Precision(4), Precision(4, 64), Precision(4, None, "float"), Precision(4, 64, "float")],
    ids=str,
)
def test_quantized_layers_hold_seventy_percent_less_than_fp16(precision):
    bundle = load_bundle(PANDA)
    network = load_on_tensors(bundle.manifest, dict(bundle.tensors))
    names = select_layers(layer_roles(network), "llm+dit_mlp")
    wide = policy_of(bundle, network).layer_bytes(names)
    quantize_nearest(network, names, precision, 8)
    policy = policy_of(bundle, network, "cpu")
    assert policy.integer_layers == len(names)
    held = policy.layer_bytes(names)
    assert wide == 4 * sum(
        r[0] * r[1] for r in (bundle.tensors[f"{name}.weight"].shape for name in names)
    )
    assert 1 - held / (wide / 2) >= 0.70, f"{held} of {wide // 2} bytes in fp16"
    assert 1 - held / wide >= 0.85, f"{held} of {wide} bytes in fp32"
