# SPDX-License-Identifier: Apache-2.0
"""What all networks of this form compute alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantvla_ros.models.dit.encoder import EncoderBlock
from quantvla_ros.models.dit.head import EPS, ActionEncoder, DiT, Mlp, TimeConstants
from quantvla_ros.models.dit.language import LanguageModel
from quantvla_ros.models.dit.sizes import DiTConfig
from quantvla_ros.models.family import Network

_ROUNDING = 1e-3  # of a bucket: what float32 may have lost of a flow time


class Context(NamedTuple):
    """What every step reads.

    Attributes:
        state: tokens that stand in front of a chunk's rows [B, T, D].
        memory: keys and values of the blocks that read what the backbone made.
        bias: added to the logits of those blocks that see padding [B, 1, 1, S].
    """

    state: Tensor
    memory: list[tuple[Tensor, Tensor]]
    bias: Tensor


class DiTNetwork(Network):
    """A network of this form; flow time runs from 0, pure noise, to 1, the action."""

    config: DiTConfig

    def add_common_parts(self, config: DiTConfig, normed: bool) -> None:
        """Add all but the vision tower; `normed`: see `LanguageModel`."""
        head, width = config.head, config.language.width
        self.language_model = LanguageModel(config.language, normed)
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

    def sources(self, read: Tensor) -> list[Tensor]:
        """What each block that reads is given, of the reader's output [B, S, D]."""
        raise NotImplementedError

    def biases(self, bias: Tensor) -> Sequence[Tensor | None]:
        """What is added to the logits of each block that reads (see `Context.bias`)."""
        raise NotImplementedError

    def read(self, features: Tensor, there: Tensor) -> Tensor:
        """What the diffusion transformer reads [B, S, D], of the language model's last states.

        The reference, which pads none but a batch's shorter prompts, lets padding be seen here.

        Args:
            features: [B, S, D].
            there: added to the logits of those who see all tokens [B, 1, 1, S].
        """
        x: Tensor = self.vlln(features)
        for block in self.reader:
            x = block(x, bias=there)
        return x

    def memory(self, features: Tensor, there: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the blocks that read (see `read`)."""
        return self.dit.key_values(self.sources(self.read(features, there)))

    def state_features(self, state: Tensor) -> Tensor:
        """The state's token [B, 1, D]."""
        out: Tensor = self.state_encoder(state[:, None])
        return out

    def state_tokens(self, state: Tensor) -> Tensor:
        """All tokens in front of a chunk's rows [B, T, D]."""
        return self.state_features(state)

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
        biases = self.biases(context.bias)
        x = self.dit(x, time_constants.modulation, context.memory, biases)
        out: Tensor = self.action_decoder(x[:, context.state.shape[1] :])
        return out
