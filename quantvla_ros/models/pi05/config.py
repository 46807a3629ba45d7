# SPDX-License-Identifier: Apache-2.0
"""Sizes of a pi0.5 network and what its prompt says of the state."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Pi05Config(BaseModel):
    """What `bundle.yaml` holds under ``architecture``.

    The defaults are the published sizes: Gemma 2B and 300M (openpi, src/openpi/models/gemma.py,
    `get_config`), SigLIP So400m/14 at 224 pixels (src/openpi/models/siglip.py, `decode_variant`),
    PaliGemma's vocabulary of 257152 (gemma.py, `PALIGEMMA_VOCAB_SIZE`), rotary base 10000 and the
    periods of the flow time (pi0.py, `embed_suffix`); LeRobot 0.6.1, policies/pi05, has the same.

    Attributes:
        cameras: pictures that the network takes.
        horizon: rows of a chunk.
        action_width: columns of a chunk; those behind the robot's are padding.
        state_in_prompt: how many values of the normalized state the prompt tells, as numbers from
            0 to 255; those behind the robot's are zero. None: it is the instruction alone.
        resize: pictures are resized as "floats" or as "bytes" (see `processing`).
        border: of pictures that are resized as floats, where black is -1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cameras: int = Field(gt=0)
    horizon: int = Field(gt=0)
    action_width: int = 32
    state_in_prompt: int | None = Field(gt=0)
    resize: Literal["floats", "bytes"] = "floats"
    border: float = -1.0
    vocabulary: int = 257152
    image_size: int = 224
    patch: int = 14
    vision_width: int = 1152
    vision_layers: int = 27
    vision_heads: int = 16
    vision_mlp: int = 4304
    width: int = 2048
    layers: int = 18
    heads: int = 8
    kv_heads: int = 1
    head_width: int = 256
    mlp: int = 16384
    expert_width: int = 1024
    expert_mlp: int = 4096
    rope_theta: float = 10_000.0
    min_period: float = 4e-3
    max_period: float = 4.0
