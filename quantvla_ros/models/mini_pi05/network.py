# SPDX-License-Identifier: Apache-2.0
"""A language model and a flow-matching action expert, after pi0.5.

Image, state and instruction tokens pass once through the language model (`encode`). The action
expert then refines a noisy action chunk in a few steps (`step`); in each of its layers it attends
to the keys and values of the language model's layer of the same depth.

Two things differ from the published pi0.5 so that the family reaches down to policies of a few
million parameters: the vision tower starts with a small convolution stem, and the robot's state
enters as one continuous token instead of as digits in the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import VisionBlock
from quantvla_ros.models.context import Context
from quantvla_ros.models.joint.network import JointNetwork
from quantvla_ros.models.mini_pi05.config import MiniPi05Config


def scaled_pixels(images: Tensor) -> Tensor:
    """Float pictures of uint8 ones, by the mean and spread of rendered pictures, roughly."""
    # In place: a new tensor a step would cost as much as the arithmetic.
    return images.to(torch.float32, copy=True).mul_(1.0 / 64.0).sub_(1.6)


class VisionTower(nn.Module):
    """Convolution stem (16 pixels a token) and transformer blocks."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        first, second = config.stem_channels
        width = config.vision_width
        tokens = (config.image_size // 16) ** 2
        self.stem1 = nn.Conv2d(48, first, 3, 1, 1)
        self.stem2 = nn.Conv2d(first, second, 4, 2, 1)
        self.stem_norm = nn.GroupNorm(1, second)
        self.stem3 = nn.Conv2d(second, width, 4, 2, 1)
        self.position_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        cameras = torch.empty(config.cameras, 1, width).normal_(std=0.02)
        self.camera_embedding = nn.Parameter(cameras)
        self.layers = nn.ModuleList(
            VisionBlock(width, config.vision_heads, 4 * width) for _ in range(config.vision_layers)
        )
        self.post_layernorm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels: Tensor) -> Tensor:
        """Tokens [B, N * (S / 16)^2, D] of `scaled_pixels` [B, N, S, S, 3]."""
        batch, cameras, size, _, _ = pixels.shape
        quarter = size // 4
        x = pixels.reshape(batch * cameras, quarter, 4, quarter, 4, 3)
        x = x.permute(0, 2, 4, 5, 1, 3).reshape(batch * cameras, 48, quarter, quarter)
        x = F.relu(self.stem1(x))
        x = F.relu(self.stem_norm(self.stem2(x)))
        x = self.stem3(x).flatten(2).transpose(1, 2) + self.position_embedding
        x = x.view(batch, cameras, x.shape[1], x.shape[2]) + self.camera_embedding
        x = x.flatten(0, 1)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.post_layernorm(x).reshape(batch, -1, x.shape[-1])
        return out


class MiniPi05(JointNetwork):
    """The network for inference; the noise is an input, so runs repeat exactly."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = VisionTower(config)
        self.multi_modal_projector = nn.Linear(config.vision_width, config.width)
        self.state_in_proj = nn.Linear(config.state_width, config.width)
        self.state_out_proj = nn.Linear(config.width, config.width)
        self.add_joint_parts(config, config.qk_norm, final_norm=True)

    def embed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, D] in the order images, state, instruction, and their mask [B, P].

        Args:
            inputs: "images", uint8 [B, cameras, S, S, 3], RGB; "state", normalized, float
                [B, state_width]; "tokens" of the instruction, int64 [B, L]; "token_mask", bool
                [B, L], False on padding.
        """
        x = self.tokens(scaled_pixels(inputs["images"]), inputs["state"], inputs["tokens"])
        return x, self.token_mask(inputs["token_mask"])

    def tokens(self, pixels: Tensor, state: Tensor, tokens: Tensor) -> Tensor:
        """All tokens [B, P, D] of `scaled_pixels`, the state and the instruction's numbers."""
        image_tokens = self.multi_modal_projector(self.vision_tower(pixels))
        state_token = self.state_out_proj(F.silu(self.state_in_proj(state)))[:, None]
        return torch.cat([image_tokens, state_token, self.words(tokens)], dim=1)

    def token_mask(self, mask: Tensor) -> Tensor:
        """Which of all tokens [B, P] are there, by the instruction's [B, L]."""
        config = self.config
        count = config.cameras * (config.image_size // 16) ** 2 + 1
        always = torch.ones(mask.shape[0], count, dtype=torch.bool, device=mask.device)
        return torch.cat([always, mask], dim=1)

    def run_language_model(self, x: Tensor, mask: Tensor, features: bool) -> tuple[Context, Tensor]:
        """Keys and values of embedded tokens; with `features` also the normed output [B, P, D]."""
        keys, values, x = self.read_tokens(x, *self.token_places(mask), features)
        return Context(keys, values, mask), self.language_model.norm(x) if features else x
