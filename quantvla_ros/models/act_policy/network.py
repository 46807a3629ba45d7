# SPDX-License-Identifier: Apache-2.0
"""ACT for inference: what trains its variational code is left out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.models.act_policy.resnet import ResNet
from quantvla_ros.models.act_policy.transformer import DecoderLayer, EncoderLayer
from quantvla_ros.models.family import Network

OWN_TOKENS = 2
"""In front of the pictures': the code, which is nothing at inference, and the state."""


class ActNetwork(Network):
    """The network; a chunk is made in one pass, which is `encode`.

    Attributes:
        code: token of the code that training draws; at inference the code is 0.
        places: of all tokens that the encoder reads [2 + P, D].
        start: what the first decoder layer's rows are behind their own attention. They begin as
            zeros, so what they read of one another is that attention's bias, whatever is seen.
        own_places: of a chunk's rows [rows, D].
    """

    def __init__(self, config: ActPolicyConfig) -> None:
        super().__init__()
        self.config = config
        width, (rows, columns) = config.token_width, config.grid
        self.backbone = ResNet(config.channels, config.blocks)
        self.picture_proj = nn.Linear(config.channels[-1], width)
        self.state_proj = nn.Linear(config.states, width)
        self.code = nn.Parameter(torch.randn(width))
        tokens = OWN_TOKENS + config.cameras * rows * columns
        self.places = nn.Parameter(torch.randn(tokens, width))
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.start = nn.Parameter(torch.randn(width))
        self.own_places = nn.Parameter(torch.randn(config.rows, width))
        self.decoder = nn.ModuleList(
            DecoderLayer(config, first=number == 0) for number in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.action_head = nn.Linear(width, config.actions)

    def encode(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Make the chunk [B, rows, actions].

        Args:
            inputs: "images", float [B, cameras, 3, H, W], and "state", float [B, states], both
                normalized.
        """
        return self.chunk(self.read(self.tokens(inputs["images"], inputs["state"])))

    def seen(self, images: Tensor) -> Tensor:
        """Feature maps [B * cameras, C, H / 32, W / 32] of pictures [B, cameras, 3, H, W]."""
        maps: Tensor = self.backbone(images.flatten(0, 1))
        return maps

    def tokens(self, images: Tensor, state: Tensor) -> Tensor:
        """What the encoder reads [B, T, D]."""
        maps = self.seen(images).flatten(2).transpose(1, 2)
        pictures = self.picture_proj(maps).reshape(len(state), -1, self.config.token_width)
        code = self.code.expand(len(state), 1, -1)
        return torch.cat([code, self.state_proj(state)[:, None], pictures], dim=1)

    def read(self, tokens: Tensor) -> Tensor:
        """What the encoder makes of it [B, T, D]."""
        for layer in self.encoder:
            tokens = layer(tokens, self.places)
        return tokens

    def chunk(self, read: Tensor) -> Tensor:
        """The chunk [B, rows, actions] of what the encoder made."""
        x = self.start.expand(len(read), self.config.rows, -1)
        for layer in self.decoder:
            x = layer(x, read, self.own_places, self.places)
        out: Tensor = self.action_head(self.norm(x))
        return out

    def time_constants(self, t: Tensor) -> tuple[()]:
        """Nothing changes with the flow time."""
        return ()

    def step(self, x_t: Tensor, time_constants: tuple[()], context: Tensor) -> Tensor:
        """The one step [B, rows, actions] that leads from anywhere to the chunk."""
        return x_t - context
