# SPDX-License-Identifier: Apache-2.0
"""Load what an ablation has made."""

from __future__ import annotations

from pathlib import Path

from quantvla_ros.backends.policy import Policy, policy_of
from quantvla_ros.backends.registry import DEFAULT
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.stored import widen
from quantvla_ros.quantization.network import load_network
from studies.fake_quantization.file import apply_study


def load_made(bundle: Path, path: Path) -> Policy:
    """Return the policy of a bundle, on integer units, or of a file of fake quantization.

    Args:
        bundle: float bundle.
        path: `bundle`, one quantized from it, or a file of its fake quantization.

    Raises:
        QuantVLAError: what is to be loaded is damaged.
    """
    loaded = load_bundle(path if path.is_dir() else bundle)
    network = load_network(loaded)
    if not path.is_dir():
        widen(network)
        apply_study(network, path)
    return policy_of(loaded, network, DEFAULT)
