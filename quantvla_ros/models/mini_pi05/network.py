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

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import (
    AdaptiveRMSNorm,
    Attention,
    DecoderLayer,
    GatedMLP,
    RMSNorm,
    RotaryTable,
    VisionBlock,
    attention_bias,
    rotary_table,
    time_embedding,
)
from quantvla_ros.models.family import Network
from quantvla_ros.models.mini_pi05.config import MiniPi05Config


class Context(NamedTuple):
    """Keys and values of the language model, one pair a layer, and the mask of real tokens.

    Attributes:
        keys: per layer [B, G, P, E], rotated.
        values: per layer [B, G, P, E].
        mask: bool [B, P], False on padding.
    """

    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor

    def repeat(self, times: int) -> Context:
        """The same context for `times` action chunks an observation (used in training)."""
        return Context(
            [k.repeat_interleave(times, dim=0) for k in self.keys],
            [v.repeat_interleave(times, dim=0) for v in self.values],
            self.mask.repeat_interleave(times, dim=0),
        )


def scaled_pixels(images: Tensor) -> Tensor:
    """Float pictures of uint8 ones, by the mean and spread of rendered pictures, roughly."""
    return images.float() * (1.0 / 64.0) - 1.6


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
        self.position_embedding = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        self.camera_embedding = nn.Parameter(torch.randn(config.cameras, 1, width) * 0.02)
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


def _language_layer(config: MiniPi05Config) -> DecoderLayer:
    """One layer of the language model (Gemma's form)."""
    attention = Attention(config.width, config.heads, config.kv_heads, config.head_width)
    mlp = GatedMLP(config.width, config.mlp)
    return DecoderLayer(lambda: RMSNorm(config.width), attention, mlp)


class ExpertLayer(nn.Module):
    """One layer of the action expert: adaptive norms, attention to context and own tokens."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        width = config.expert_width
        self.input_layernorm = AdaptiveRMSNorm(width, width)
        self.self_attn = Attention(
            width, config.heads, config.kv_heads, config.head_width, qk_norm=config.qk_norm
        )
        self.post_attention_layernorm = AdaptiveRMSNorm(width, width)
        self.mlp = GatedMLP(width, config.expert_mlp)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        table: RotaryTable,
        context_key: Tensor,
        context_value: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Map action tokens [B, C, D] to [B, C, D]; `modulation` [2, B, 3 * D] is its norms'."""
        y, gate = self.input_layernorm(x, modulation[0])
        key, value = self.self_attn.key_value(y, table)
        key = torch.cat([context_key, key], dim=2)
        value = torch.cat([context_value, value], dim=2)
        x = x + gate * self.self_attn.attend(self.self_attn.query(y, table), key, value, mask)
        y, gate = self.post_attention_layernorm(x, modulation[1])
        out: Tensor = x + gate * self.mlp(y)
        return out


class LanguageModel(nn.Module):
    """Token embedding and layers of the language model."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(_language_layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width)


class ActionExpert(nn.Module):
    """Layers and final norm of the action expert."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ExpertLayer(config) for _ in range(config.layers))
        self.norm = AdaptiveRMSNorm(config.expert_width, config.expert_width)

    def modulation(self, condition: Tensor) -> Tensor:
        """Modulation of all adaptive norms by a condition [B, D]: [norms, B, 3 * D]."""
        norms = [module for module in self.modules() if isinstance(module, AdaptiveRMSNorm)]
        return torch.stack([norm.dense(condition) for norm in norms])


class MiniPi05(Network):
    """The network for inference; the noise is an input, so runs repeat exactly."""

    def __init__(self, config: MiniPi05Config) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = VisionTower(config)
        self.multi_modal_projector = nn.Linear(config.vision_width, config.width)
        self.state_in_proj = nn.Linear(config.state_width, config.width)
        self.state_out_proj = nn.Linear(config.width, config.width)
        self.language_model = LanguageModel(config)
        self.action_expert = ActionExpert(config)
        self.action_in_proj = nn.Linear(config.action_width, config.expert_width)
        self.action_out_proj = nn.Linear(config.expert_width, config.action_width)
        self.time_mlp_in = nn.Linear(config.expert_width, config.expert_width)
        self.time_mlp_out = nn.Linear(config.expert_width, config.expert_width)

    def embed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, D] in the order images, state, instruction, and their mask [B, P]."""
        x = self.tokens(scaled_pixels(inputs["images"]), inputs["state"], inputs["tokens"])
        return x, self.token_mask(inputs["token_mask"])

    def tokens(self, pixels: Tensor, state: Tensor, tokens: Tensor) -> Tensor:
        """All tokens [B, P, D] of `scaled_pixels`, the state and the instruction's numbers."""
        image_tokens = self.multi_modal_projector(self.vision_tower(pixels))
        state_token = self.state_out_proj(F.silu(self.state_in_proj(state)))[:, None]
        words = self.language_model.embed_tokens(tokens) * self.config.width**0.5
        return torch.cat([image_tokens, state_token, words], dim=1)

    def token_mask(self, mask: Tensor) -> Tensor:
        """Which of all tokens [B, P] are there, by the instruction's [B, L]."""
        config = self.config
        count = config.cameras * (config.image_size // 16) ** 2 + 1
        always = torch.ones(mask.shape[0], count, dtype=torch.bool, device=mask.device)
        return torch.cat([always, mask], dim=1)

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """Run the language model once an observation.

        Args:
            inputs: "images", uint8 [B, cameras, S, S, 3], RGB; "state", normalized, float
                [B, state_width]; "tokens" of the instruction, int64 [B, L]; "token_mask", bool
                [B, L], False on padding.

        Returns:
            The keys and values that every step attends to. What the last layer does after its keys
            and values reaches no action, so it is not computed.
        """
        x, mask = self.embed(inputs)
        return self.run_language_model(x, mask, features=False)[0]

    def run_language_model(self, x: Tensor, mask: Tensor, features: bool) -> tuple[Context, Tensor]:
        """Keys and values of embedded tokens; with `features` also the normed output [B, P, D]."""
        keys, values, x = self.read_tokens(x, *self.token_places(mask), features)
        return Context(keys, values, mask), self.language_model.norm(x) if features else x

    def token_places(self, mask: Tensor) -> tuple[RotaryTable, Tensor]:
        """Rotary table of tokens with the mask [B, P], and what is added to logits [B, 1, 1, P]."""
        config, positions = self.config, torch.cumsum(mask, dim=1) - 1
        table = rotary_table(positions, config.head_width, config.rope_theta)
        return table, attention_bias(mask)[:, None, None, :]

    def read_tokens(
        self, x: Tensor, table: RotaryTable, bias: Tensor, features: bool = False
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Keys and values a layer, and what the last layer that was run gives [B, P, D].

        Without `features` the last layer ends at its keys and values.
        """
        keys, values = [], []
        layers = list(self.language_model.layers)
        for layer in layers if features else layers[:-1]:
            x, key, value = layer(x, table, bias)
            keys.append(key)
            values.append(value)
        if not features:
            key, value = layers[-1].key_value(x, table)  # type: ignore[operator]
            keys.append(key)
            values.append(value)
        return keys, values, x

    def time_constants(self, t: Tensor) -> Tensor:
        """All that the flow time [B] changes in the expert, see `ActionExpert.modulation`."""
        config = self.config
        embedded = time_embedding(t, config.expert_width, config.min_period, config.max_period)
        condition = F.silu(self.time_mlp_out(F.silu(self.time_mlp_in(embedded))))
        return self.action_expert.modulation(condition)

    def step(self, x_t: Tensor, time_constants: Tensor, context: Context) -> Tensor:
        """Velocity of the flow (noise minus action).

        Args:
            x_t: noisy normalized chunk [B, horizon, action_width].
            time_constants: of the flow time, where 1 is pure noise and 0 the action.
            context: what `encode` returned.

        Returns:
            [B, horizon, action_width].
        """
        table, bias = self.action_places(context.mask, x_t.shape[1])
        return self.refine(x_t, time_constants, table, bias, context.keys, context.values)

    def action_places(self, mask: Tensor, rows: int) -> tuple[RotaryTable, Tensor]:
        """The same as `token_places` for the rows of a chunk, behind tokens with `mask` [B, P]."""
        config = self.config
        positions = mask.sum(dim=1, keepdim=True) + torch.arange(rows, device=mask.device)
        table = rotary_table(positions, config.head_width, config.rope_theta)
        seen = torch.zeros(mask.shape[0], rows, device=mask.device)
        bias = torch.cat([attention_bias(mask), seen], dim=1)[:, None, None, :]
        return table, bias

    def refine(
        self,
        x_t: Tensor,
        time_constants: Tensor,
        table: RotaryTable,
        bias: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
    ) -> Tensor:
        """Velocity (see `step`) with the chunk's places and the context's keys and values."""
        x = self.action_in_proj(x_t)
        norms = time_constants[:-1].unflatten(0, (-1, 2))
        layers = self.action_expert.layers
        for layer, own, key, value in zip(layers, norms, keys, values, strict=True):
            x = layer(x, own, table, key, value, bias)
        x, _ = self.action_expert.norm(x, time_constants[-1])
        out: Tensor = self.action_out_proj(x)
        return out
