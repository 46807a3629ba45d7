# SPDX-License-Identifier: Apache-2.0
"""Sizes of a SmolVLA network."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SmolVLAConfig(BaseModel):
    """Sizes; what `bundle.yaml` holds under ``architecture``.

    The values here are those of lerobot/smolvla_base. A checkpoint holds no sizes: LeRobot takes
    them from SmolVLM2-500M-Video-Instruct's config.json. Two are LeRobot's own and stand in no
    file: `rope_theta` (smolvlm_with_expert.py: 10_000 whatever SmolVLM2 says) and the time's
    periods (configuration_smolvla.py). The epsilon of norms is that of SmolLM2 (LlamaRMSNorm).
    Source: LeRobot 0.6.1, policies/smolvla; transformers 5.5.4, models/smolvlm.

    Attributes:
        vocabulary: rows of the word table.
        cameras: pictures of an observation; those that a robot does not have are left out, which
            changes nothing, because the network masks them.
        image_size: side of a picture, pixels.
        patch: side of a patch, pixels.
        shuffle: patches on one side of a square that becomes one token.
        state_width: columns of the state, zeros included.
        action_width: the same of an action.
        horizon: rows of a chunk.
        self_attention_every: each so many layers the expert's actions attend to one another and to
            the context, in all others to the context alone; 0: never to one another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int = 49280
    cameras: int
    image_size: int = 512
    patch: int = 16
    shuffle: int = 4
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_mlp: int = 3072
    width: int = 960
    layers: int = 16
    heads: int = 15
    kv_heads: int = 5
    head_width: int = 64
    mlp: int = 2560
    expert_width: int = 720
    expert_mlp: int = 2048
    state_width: int = 32
    action_width: int = 32
    horizon: int = 50
    self_attention_every: int = 2
    norm_epsilon: float = 1e-5
    rope_theta: float = 10000.0
    min_period: float = 4e-3
    max_period: float = 4.0

    @property
    def image_tokens(self) -> int:
        """Tokens that one picture becomes."""
        return (self.image_size // self.patch // self.shuffle) ** 2

    def attends_to_actions(self, layer: int) -> bool:
        """Whether a layer of the expert lets actions attend to one another."""
        return self.self_attention_every > 0 and layer % self.self_attention_every == 0
