# SPDX-License-Identifier: Apache-2.0
"""The widest grid of activations that this CPU multiplies exactly."""

from __future__ import annotations

from quantvla_ros.backends.cpu.engine.library import adds_in_32_bits
from quantvla_ros.quantization.schemes import Precision


def native_activation_bits(*precisions: Precision) -> int:
    """Widest activation grid that this CPU multiplies exactly with all these weights.

    On x86 without VNNI 8-bit weights leave room for 7-bit activations; 4-bit weights for 8 bits.
    """
    wide = any(p.weight_bits == 8 and p.activation != "float" for p in precisions)
    return 7 if wide and not adds_in_32_bits() else 8
