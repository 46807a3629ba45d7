# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.5 for inference, for the embodiment that was chosen at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import PatchTower, RotaryTable, attention_bias, rotary_table
from quantvla_ros.models.dit.language import causal
from quantvla_ros.models.dit.layout import TokenLayout
from quantvla_ros.models.dit.network import Context, DiTNetwork
from quantvla_ros.models.groot_n15.config import GrootN15Config


class Places(NamedTuple):
    """What follows from the prompt's mask alone.

    Attributes:
        tokens: rotary table of all tokens.
        causal: added to the language model's logits [B, 1, S, S].
        there: added to the logits of those who see all tokens [B, 1, 1, S].
    """

    tokens: RotaryTable
    causal: Tensor
    there: Tensor


class GrootN15(DiTNetwork):
    """The network; every block that reads is given all pictures and words."""

    config: GrootN15Config

    def __init__(self, config: GrootN15Config) -> None:
        super().__init__()
        self.config = config
        vision = config.vision
        self.layout = TokenLayout(config.lead, config.between, [vision.patches] * config.cameras)
        self.visual = PatchTower(
            vision.image_size, vision.patch, vision.width, vision.layers, vision.heads, vision.mlp
        )
        self.connector = nn.Linear(vision.width, config.language.width)
        self.add_common_parts(config, normed=True)
        self.future_tokens = nn.Parameter(torch.randn(config.future, config.head.width))

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """Read an observation once.

        Args:
            inputs: "pictures", uint8 [B, cameras, 3, S, S]; "state", normalized, float
                [B, state_width]; "tokens" of all text, int64 [B, T]; and "token_mask", bool
                [B, T], False on padding, which is on the right.
        """
        places = self.places(inputs["token_mask"])
        features = self.features(pixels_of(inputs["pictures"]), inputs["tokens"], places)
        memory = self.memory(features, places.there)
        return Context(self.state_tokens(inputs["state"]), memory, places.there)

    def places(self, mask: Tensor) -> Places:
        """Of a prompt with the text's mask [B, T]."""
        language = self.config.language
        there = self.layout.mask(mask)
        positions = (there.long().cumsum(dim=1) - 1).clamp(min=0)
        return Places(
            rotary_table(positions, language.head_width, language.rope_theta),
            attention_bias(causal(there)),
            attention_bias(there)[:, None, None],
        )

    def seen(self, pixels: Tensor) -> Tensor:
        """Tokens [B, P, D] of pictures [B, cameras, 3, S, S] in -1..1."""
        tokens: Tensor = self.connector(self.visual(pixels.flatten(0, 1)))
        return tokens.reshape(len(pixels), -1, tokens.shape[-1])

    def features(self, pixels: Tensor, tokens: Tensor, places: Places) -> Tensor:
        """The language model's last hidden states [B, S, D], normed."""
        words = self.language_model.embed_tokens(tokens)
        x = self.layout.join(words, self.seen(pixels))
        out: Tensor = self.language_model(x, places.tokens, places.causal)
        return out

    def sources(self, read: Tensor) -> list[Tensor]:
        """See `DiTNetwork`."""
        return [read] * self.dit.readers

    def biases(self, bias: Tensor) -> list[Tensor]:
        """See `DiTNetwork`."""
        return [bias] * self.dit.readers

    def state_tokens(self, state: Tensor) -> Tensor:
        """See `DiTNetwork`: the state's token and those of no meaning of their own."""
        future = self.future_tokens.expand(len(state), -1, -1)
        return torch.cat([self.state_features(state), future], dim=1)


def pixels_of(pictures: Tensor) -> Tensor:
    """What the tower takes of bytes."""
    return (pictures.float() - 127.5) / 127.5
