# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7 for inference, for the embodiment that was chosen at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from quantvla_ros.models.blocks import RotaryTable, attention_bias
from quantvla_ros.models.dit.language import causal
from quantvla_ros.models.dit.network import Context, DiTNetwork
from quantvla_ros.models.groot_n17.config import MERGE, GrootN17Config
from quantvla_ros.models.groot_n17.layout import picture_layout, positions
from quantvla_ros.models.groot_n17.rotary import interleaved_table, patch_table
from quantvla_ros.models.groot_n17.vision import VisionTower, patch_pixels


class Places(NamedTuple):
    """What follows from the prompt's mask and the cameras' grids alone.

    Attributes:
        patches: rotary table of patches.
        tokens: rotary table of all tokens.
        causal: added to the language model's logits [B, 1, S, S].
        there: added to the logits of those who see all tokens [B, 1, 1, S].
        text: added to the logits of those who see text alone [B, 1, 1, T].
    """

    patches: RotaryTable
    tokens: RotaryTable
    causal: Tensor
    there: Tensor
    text: Tensor


class GrootN17(DiTNetwork):
    """The network; flow time runs from 0, pure noise, to 1, the action."""

    config: GrootN17Config

    def __init__(self, config: GrootN17Config) -> None:
        super().__init__()
        self.config = config
        self.layout = picture_layout(config.lead, config.grids)
        self.visual = VisionTower(config.vision, config.grids, config.language.width)
        self.add_common_parts(config, normed=False)

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """Read an observation once.

        Args:
            inputs: "patches", uint8 [B, P, 768], of all pictures in merge order; "state",
                normalized, float [B, state_width]; "tokens" of all text, int64 [B, T]; and
                "token_mask", bool [B, T], False on padding, which is on the right.
        """
        places = self.places(inputs["token_mask"])
        features = self.features(patch_pixels(inputs["patches"]), inputs["tokens"], places)
        memory = self.memory(features, places.there)
        return Context(self.state_features(inputs["state"]), memory, places.text)

    def places(self, mask: Tensor) -> Places:
        """Of a prompt with the text's mask [B, T]."""
        config = self.config
        language, vision = config.language, config.vision
        there = self.layout.mask(mask)
        places = positions(self.layout, config.grids, mask)
        table = interleaved_table(
            places, language.head_width, language.rope_theta, language.sections
        )
        return Places(
            patch_table(config.grids, MERGE, vision.width // vision.heads, mask.device),
            table,
            attention_bias(causal(there)),
            attention_bias(there)[:, None, None],
            attention_bias(mask)[:, None, None],
        )

    def features(self, pixels: Tensor, tokens: Tensor, places: Places) -> Tensor:
        """The language model's last hidden states [B, S, D]."""
        seen, deep = self.visual(pixels, places.patches)
        words = self.language_model.embed_tokens(tokens)
        nothing = torch.zeros_like(words)
        added = [self.layout.join(nothing, one) for one in deep]
        x = self.layout.join(words, seen)
        out: Tensor = self.language_model(x, places.tokens, places.causal, added)
        return out

    def sources(self, read: Tensor) -> list[Tensor]:
        """See `DiTNetwork`: text or pictures."""
        text, pictures = self.layout.part(read)
        return [text if self._reads_text(n) else pictures for n in range(self.dit.readers)]

    def biases(self, bias: Tensor) -> list[Tensor | None]:
        """See `DiTNetwork`: pictures have no padding."""
        return [bias if self._reads_text(n) else None for n in range(self.dit.readers)]

    def _reads_text(self, number: int) -> bool:
        """Whether a block, counted among those that read, reads text; else it reads pictures."""
        return number % self.config.head.text_every == 0
