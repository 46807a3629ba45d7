# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7 for inference, for the embodiment that was chosen at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import RotaryTable, attention_bias
from quantvla_ros.models.family import Network
from quantvla_ros.models.groot_n17.backbone import LanguageModel, causal
from quantvla_ros.models.groot_n17.config import MERGE, GrootN17Config
from quantvla_ros.models.groot_n17.head import EPS, ActionEncoder, DiT, Mlp, TimeConstants
from quantvla_ros.models.groot_n17.layout import TokenLayout
from quantvla_ros.models.groot_n17.rotary import interleaved_table, patch_table
from quantvla_ros.models.groot_n17.vision import EncoderBlock, VisionTower, patch_pixels

_ROUNDING = 1e-3  # of a bucket: what float32 may have lost of a flow time


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


class Context(NamedTuple):
    """What every step reads.

    Attributes:
        state: features of the state [B, 1, D].
        memory: keys and values of the blocks that read text or pictures.
        text_bias: see `Places`.
    """

    state: Tensor
    memory: list[tuple[Tensor, Tensor]]
    text_bias: Tensor


class GrootN17(Network):
    """The network; flow time runs from 0, pure noise, to 1, the action."""

    def __init__(self, config: GrootN17Config) -> None:
        super().__init__()
        self.config = config
        head, width = config.head, config.language.width
        self.layout = TokenLayout(config.lead, config.grids)
        self.visual = VisionTower(config.vision, config.grids, width)
        self.language_model = LanguageModel(config.language)
        self.vlln = nn.LayerNorm(width, eps=EPS)
        self.reader = nn.ModuleList(
            EncoderBlock(width, head.reader_heads, head.reader_mlp, EPS)
            for _ in range(head.reader_layers)
        )
        self.state_encoder = Mlp(config.state_width, head.hidden, head.width)
        self.action_encoder = ActionEncoder(config.action_width, head.width)
        self.position_embedding = nn.Parameter(torch.randn(config.rows, head.width))
        self.dit = DiT(head, width)
        self.action_decoder = Mlp(head.output, head.hidden, config.action_width)

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
        table = interleaved_table(
            self.layout.positions(mask), language.head_width, language.rope_theta, language.sections
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

    def read(self, features: Tensor, there: Tensor) -> Tensor:
        """What the diffusion transformer reads [B, S, D].

        The reference, which pads none but a batch's shorter prompts, lets padding be seen here.
        """
        x: Tensor = self.vlln(features)
        for block in self.reader:
            x = block(x, bias=there)
        return x

    def memory(self, features: Tensor, there: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the blocks that read text or pictures (see `Places.there`)."""
        return self.dit.key_values(*self.layout.part(self.read(features, there)))

    def state_features(self, state: Tensor) -> Tensor:
        """The state's token [B, 1, D]."""
        out: Tensor = self.state_encoder(state[:, None])
        return out

    def time_constants(self, t: Tensor) -> TimeConstants:
        """All that the flow time [B] changes; it counts in whole buckets."""
        bucket = torch.floor(t.float() * self.config.head.buckets + _ROUNDING)
        return self.dit.time_constants(bucket)

    def step(self, x_t: Tensor, time_constants: TimeConstants, context: Context) -> Tensor:
        """Velocity of the flow, action minus noise [B, rows, action_width].

        Args:
            x_t: noisy normalized chunk [B, rows, action_width].
            time_constants: of the flow time.
            context: what `encode` returned.
        """
        rows = self.action_encoder(x_t, time_constants.rows) + self.position_embedding
        x = torch.cat([context.state, rows], dim=1)
        x = self.dit(x, time_constants.modulation, context.memory, context.text_bias)
        out: Tensor = self.action_decoder(x[:, 1:])
        return out
