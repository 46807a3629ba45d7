# SPDX-License-Identifier: Apache-2.0
"""Sizes of a GR00T N1.7 network, and how its pictures and words are made ready.

The names of public configurations in brackets. What tensors do not tell (head counts, rotary
constants, DeepStack's layers) comes from the checkpoint's config.json and, for the backbone, from
`PUBLISHED_BACKBONE`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PATCH, FRAMES, MERGE = 16, 2, 2
"""Side of a patch (pixels), frames of one patch (a still picture is repeated), and patches along a
side that become one token. Source: Qwen3-VL, transformers 5.5.4 models/qwen3_vl."""


class _Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VisionSizes(_Sizes):
    """The vision tower; `deepstack` lists the blocks whose output goes into the language model."""

    width: int
    layers: int
    heads: int
    mlp: int
    deepstack: tuple[int, ...]


class LanguageSizes(_Sizes):
    """The language model up to the layer that the head reads.

    `sections` are the numbers of rotary frequencies for time, height and width [mrope_section].
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    rope_theta: float
    sections: tuple[int, int, int]


class HeadSizes(_Sizes):
    """The action head.

    `hidden` is the width of the embodiment's own linears, `output` the diffusion transformer's
    last [output_dim]; of its cross-attentions every `text_every`-th reads text, the others
    pictures [attend_text_every_n_blocks]. `buckets` of flow time there are in 0..1.
    """

    layers: int
    heads: int
    head_width: int
    mlp: int
    output: int
    hidden: int
    reader_layers: int
    reader_heads: int
    reader_mlp: int
    text_every: int
    buckets: int

    @property
    def width(self) -> int:
        """Of a token."""
        return self.heads * self.head_width


class PicturePath(_Sizes):
    """How a camera's picture is brought to the trained size.

    Attributes:
        method: "resize" ignores the aspect, by bicubic resizing on torch [use_albumentations
            false]; "shortest_side" keeps it, by OpenCV's areas [true].
        letter_box: pad to a square first.
        edge: side before the crop, pixels [shortest_image_edge].
        target: height and width after it, pixels [image_target_size].
        crop: share of each side that is kept; None for all [crop_fraction].
        fewest: pixels at least that the backbone is given [its processor's shortest_edge].
        most: the same at most.
    """

    method: str = Field(pattern="^(resize|shortest_side)$")
    letter_box: bool
    edge: int
    target: tuple[int, int]
    crop: float | None
    fewest: int
    most: int


class GrootN17Config(_Sizes):
    """What `bundle.yaml` holds under ``architecture``.

    Attributes:
        vision: tower.
        language: model.
        head: of actions.
        grids: rows and columns of patches of each camera's picture, in the network's order.
        lead: text tokens in front of the first picture.
        state_width: columns of the state that the network takes.
        action_width: columns of its chunk.
        rows: of its chunk.
        pictures: how they are made ready.
        formalize: whether instructions lose all but letters, digits, white space and "_"
            [formalize_language].
        two_sided: actions that only say which way a gripper goes [action_decode_transform].
        ramp: how fast a chunk lets go of the one before it [rtc_ramp_rate].
    """

    vision: VisionSizes
    language: LanguageSizes
    head: HeadSizes
    grids: tuple[tuple[int, int], ...]
    lead: int
    state_width: int
    action_width: int
    rows: int
    pictures: PicturePath
    formalize: bool
    two_sided: tuple[int, ...] = ()
    ramp: float = 6.0


PUBLISHED_BACKBONE: dict[str, Any] = {
    "text_config": {
        "head_dim": 128,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "rope_parameters": {"rope_theta": 5_000_000, "mrope_section": [24, 20, 20]},
    },
    "vision_config": {"num_heads": 16, "deepstack_visual_indexes": [5, 11, 17]},
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
}
"""What no tensor tells of nvidia/Cosmos-Reason2-2B. Source: lerobot 0.6.1
policies/groot/groot_n1_7.py:751-800; the picture sizes: Qwen3-VL's preprocessor_config.json."""
