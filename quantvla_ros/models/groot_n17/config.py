# SPDX-License-Identifier: Apache-2.0
"""Sizes of a GR00T N1.7 network, and how its pictures and words are made ready.

The names of public configurations in brackets. What tensors do not tell (head counts, rotary
constants, DeepStack's layers) comes from the checkpoint's config.json and, for the backbone, from
`PUBLISHED_BACKBONE`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quantvla_ros.models.dit.sizes import DiTConfig, Sizes
from quantvla_ros.models.dit.sizes import HeadSizes as CommonHead
from quantvla_ros.models.dit.sizes import LanguageSizes as CommonLanguage

PATCH, FRAMES, MERGE = 16, 2, 2
"""Side of a patch (pixels), frames of one patch (a still picture is repeated), and patches along a
side that become one token. Source: Qwen3-VL, transformers 5.5.4 models/qwen3_vl."""


class VisionSizes(Sizes):
    """The vision tower; `deepstack` lists the blocks whose output goes into the language model."""

    width: int
    layers: int
    heads: int
    mlp: int
    deepstack: tuple[int, ...]


class LanguageSizes(CommonLanguage):
    """The language model.

    `sections` are the numbers of rotary frequencies for time, height and width [mrope_section].
    """

    sections: tuple[int, int, int]


class HeadSizes(CommonHead):
    """The action head.

    Of its blocks that read, every `text_every`-th reads text, the others pictures
    [attend_text_every_n_blocks].
    """

    text_every: int


class PicturePath(Sizes):
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


class GrootN17Config(DiTConfig):
    """What `bundle.yaml` holds under ``architecture``.

    Attributes:
        vision: tower.
        language: model.
        head: of actions.
        grids: rows and columns of patches of each camera's picture, in the network's order.
        lead: text tokens in front of the first picture.
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
    pictures: PicturePath
    formalize: bool
    two_sided: tuple[int, ...] = ()
    ramp: float = 6.0


PUBLISHED_BACKBONE: dict[str, Any] = {
    "text_config": {
        "rope_parameters": {"rope_theta": 5_000_000, "mrope_section": [24, 20, 20]},
    },
    "vision_config": {"num_heads": 16, "deepstack_visual_indexes": [5, 11, 17]},
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
}
"""What no tensor tells of nvidia/Cosmos-Reason2-2B. Source: lerobot 0.6.1
policies/groot/groot_n1_7.py:751-800; the picture sizes: Qwen3-VL's preprocessor_config.json."""
