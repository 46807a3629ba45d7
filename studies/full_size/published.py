# SPDX-License-Identifier: Apache-2.0
"""Sizes of all published networks here, for a robot with two cameras."""

from __future__ import annotations

from pydantic import BaseModel

from quantvla_ros.models.smolvla.config import SmolVLAConfig
from studies.full_size import groot_n17, pi05


def published_sizes() -> dict[str, BaseModel]:
    """By family."""
    return {
        "smolvla": SmolVLAConfig(cameras=2),
        "groot_n17": groot_n17.SIZES,
        "pi05": pi05.SIZES.model_copy(update={"cameras": 2}),
    }
