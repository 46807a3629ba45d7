# SPDX-License-Identifier: Apache-2.0
"""Quantizations that no quantizer made and judgements that no gate made."""

from __future__ import annotations

from quantvla_ros.bundle.schema import BeyondSpread, GateRecord, Quantization

QUANTIZATION = Quantization(
    scheme="w8a8", layout="llm+dit_mlp", activation_bits=7, layers=[], alpha={}, beta={},
    corrections_kept=[], calibration_sha256="",
)  # fmt: skip


def gate_record(**changes) -> GateRecord:
    """A judgement that passed without any difference, and what is changed in it."""
    beyond = BeyondSpread(
        draws=3, cosine_error=0.0, gripper_flips=0,
        worst_sample=0, worst_cosine_error=0.0,
    )  # fmt: skip
    values = {
        "passed": True, "samples": 8, "motions": [],
        "cosine": 1.0, "gripper_flips": 0, "gripper_commands": 1,
        "mae_per_action": {}, "thresholds": {"cosine": 0.9}, "beyond_spread": beyond,
        "kernel": "fake",
        "backend": "cpu",
        "target": "fake",
    }  # fmt: skip
    return GateRecord(**{**values, **changes})
