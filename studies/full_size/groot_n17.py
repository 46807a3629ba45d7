# SPDX-License-Identifier: Apache-2.0
"""Sizes of nvidia/GR00T-N1.7-3B for one embodiment and two cameras, as an import finds them.

A test of the import derives the same from names and shapes of the published tensors.
"""

from __future__ import annotations

from quantvla_ros.models.groot_n17.config import GrootN17Config

SIZES = GrootN17Config.model_validate(
    {
        "vision": {"width": 1024, "layers": 24, "heads": 16, "mlp": 4096, "deepstack": (5, 11, 17)},
        "language": {
            "vocabulary": 151936, "width": 2048, "layers": 16, "heads": 16, "kv_heads": 8,
            "head_width": 128, "mlp": 6144, "rope_theta": 5e6, "sections": (24, 20, 20),
        },
        "head": {
            "layers": 32, "heads": 32, "head_width": 48, "mlp": 6144, "output": 1024,
            "hidden": 1024, "reader_layers": 4, "reader_heads": 32, "reader_mlp": 8192,
            "text_every": 2, "buckets": 1000,
        },
        "grids": ((16, 16), (16, 16)),
        "lead": 4,
        "state_width": 132,
        "action_width": 132,
        "rows": 40,
        "pictures": {
            "method": "resize", "letter_box": False, "edge": 256, "target": (256, 256),
            "crop": 230 / 256, "fewest": 65536, "most": 1 << 24,
        },
        "formalize": True,
    }
)  # fmt: skip
