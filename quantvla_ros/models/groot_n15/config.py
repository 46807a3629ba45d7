# SPDX-License-Identifier: Apache-2.0
"""Sizes of a GR00T N1.5 network, and how its pictures and words are made ready."""

from __future__ import annotations

from typing import Any, Literal

from quantvla_ros.models.dit.sizes import DiTConfig, Sizes

Origin = Literal["lerobot", "nvidia"]


class VisionSizes(Sizes):
    """SigLIP's tower; pictures are squares of `image_size` pixels, `patch` those of a patch."""

    image_size: int
    patch: int
    width: int
    layers: int
    heads: int
    mlp: int

    @property
    def patches(self) -> int:
        """Of a picture; each is a token."""
        return (self.image_size // self.patch) ** 2


class GrootN15Config(DiTConfig):
    """What `bundle.yaml` holds under ``architecture``.

    Attributes:
        vision: tower.
        cameras: pictures that the network takes.
        lead: text tokens in front of the first picture.
        between: the same between two pictures, one number less than pictures.
        future: tokens of no meaning of their own between the state and a chunk's rows
            [num_target_vision_tokens].
        origin: whose processor made pictures and words ready in training (see `processing`).
        formalize: whether instructions lose all but letters, digits and white space
            [formalize_language].
    """

    vision: VisionSizes
    cameras: int
    lead: int
    between: tuple[int, ...]
    future: int
    origin: Origin
    formalize: bool = False


PUBLISHED: dict[str, dict[str, Any]] = {
    "action_head_cfg": {
        "action_horizon": 16,
        "num_inference_timesteps": 4,
        "num_timestep_buckets": 1000,
        "diffusion_model_cfg": {"num_attention_heads": 32},
        "vl_self_attention_cfg": {"num_attention_heads": 32},
    },
    "backbone_cfg": {"select_layer": 12},
    "backbone": {
        "text_config": {"rope_theta": 1_000_000},
        "vision_config": {"num_attention_heads": 16},
    },
}
"""What no tensor tells. Source: config.json of nvidia/GR00T-N1.5-3B; under ``backbone`` that of
Isaac-GR00T's n1.5 release, gr00t/model/backbone/eagle2_hg_model/config.json."""
