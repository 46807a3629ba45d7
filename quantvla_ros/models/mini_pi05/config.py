# SPDX-License-Identifier: Apache-2.0
"""Sizes of a mini_pi05 network."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MiniPi05Config(BaseModel):
    """Sizes of a network; what `bundle.yaml` holds under ``architecture``.

    With `qk_norm` the action expert's queries and its own keys pass a norm (see `Attention`). The
    language model's attention has none: temperatures are fitted in the expert alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int
    cameras: int
    image_size: int
    state_width: int
    action_width: int
    horizon: int
    width: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 64
    mlp: int = 1024
    expert_width: int = 192
    expert_mlp: int = 768
    vision_width: int = 192
    vision_layers: int = 1
    vision_heads: int = 4
    stem_channels: tuple[int, int] = (48, 96)
    rope_theta: float = 100.0
    min_period: float = 4e-3
    max_period: float = 4.0
    # Without the norm it is not written, so bundles without one keep their bytes and their hash.
    qk_norm: Literal["shared", "per_head"] | None = Field(
        default=None, exclude_if=lambda kind: kind is None
    )
