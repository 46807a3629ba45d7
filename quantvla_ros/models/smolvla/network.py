# SPDX-License-Identifier: Apache-2.0
"""SmolVLA for inference: a vision-language model and a flow-matching action expert.

Pictures, instruction and state pass once through the language model (`encode`), of which only keys
and values are kept. The expert then refines a noisy chunk in a few steps (`step`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import (
    Attention,
    DecoderLayer,
    GatedMLP,
    RotaryTable,
    attention_bias,
    rotary_table,
    time_embedding,
)
from quantvla_ros.models.context import Context
from quantvla_ros.models.family import Network
from quantvla_ros.models.smolvla.config import SmolVLAConfig
from quantvla_ros.models.smolvla.expert import ActionExpert, ActionPlaces
from quantvla_ros.models.smolvla.vision import PictureReader


class LanguageModel(nn.Module):
    """Word table and layers (SmolLM2's, the first half); no output layer and no last norm."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(_language_layer(config) for _ in range(config.layers))


def _language_layer(config: SmolVLAConfig) -> DecoderLayer:
    attention = Attention(config.width, config.heads, config.kv_heads, config.head_width)
    mlp = GatedMLP(config.width, config.mlp, "silu")
    return DecoderLayer(lambda: nn.RMSNorm(config.width, config.norm_epsilon), attention, mlp)


class SmolVLA(Network):
    """The network; the noise is an input, so runs repeat exactly."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.config, width = config, config.expert_width
        self.pictures = PictureReader(config)
        self.text_model = LanguageModel(config)
        self.lm_expert = ActionExpert(config)
        self.state_proj = nn.Linear(config.state_width, config.width)
        self.action_in_proj = nn.Linear(config.action_width, width)
        self.action_out_proj = nn.Linear(width, config.action_width)
        # The checkpoint has one layer over actions and time side by side. Apart, the time's part
        # is computed once for all chunks.
        self.action_mlp_in = nn.Linear(width, width, bias=False)
        self.time_mlp_in = nn.Linear(width, width)
        self.action_time_mlp_out = nn.Linear(width, width)

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """Run vision and language model once an observation.

        Args:
            inputs: "images", float [B, cameras, 3, S, S] in -1..1, RGB; "camera_mask", bool
                [B, cameras]; "state", normalized, float [B, state_width]; "tokens" of the
                instruction, int64 [B, L]; "token_mask", bool [B, L].

        Returns:
            The keys and values that the expert attends to. What the last language layer does after
            its own reaches no action, so it is not computed.
        """
        mask = self.token_mask(inputs)
        x = self.tokens(inputs["images"], inputs["state"], inputs["tokens"])
        keys, values, _ = self.read_tokens(x, *self.token_places(mask))
        return Context(keys, values, mask)

    def token_mask(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Which of all tokens are there, bool [B, P], in the order of `tokens`."""
        pictures = inputs["camera_mask"].repeat_interleave(self.config.image_tokens, dim=1)
        words = inputs["token_mask"]
        return torch.cat([pictures, words, torch.ones_like(words[:, :1])], dim=1)

    def tokens(self, images: Tensor, state: Tensor, tokens: Tensor) -> Tensor:
        """All tokens [B, P, D]: pictures, words, and one of the state."""
        scale = self.config.width**0.5
        seen = self.pictures(images.flatten(0, 1)) * scale
        words = self.text_model.embed_tokens(tokens) * scale
        pictures = seen.view(len(images), -1, self.config.width)
        return torch.cat([pictures, words, self.state_proj(state)[:, None]], dim=1)

    def token_places(self, mask: Tensor) -> tuple[RotaryTable, Tensor]:
        """Rotary table of tokens with the mask [B, P], and what is added to logits [B, 1, P, P].

        The state, which stands last, sees all tokens; the others do not see it.
        """
        config, positions = self.config, torch.cumsum(mask, dim=1) - 1
        table = rotary_table(positions, config.head_width, config.rope_theta)
        count = mask.shape[1]
        state = torch.arange(count, device=mask.device) == count - 1
        seen = mask[:, None, :] & (~state[None, :] | state[:, None])
        return table, attention_bias(seen)[:, None]

    def read_tokens(
        self, x: Tensor, table: RotaryTable, bias: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Keys and values that the expert attends to, a layer (see `ExpertLayer.read_context`).

        The third is what the last layer's are made of [B, P, D].
        """
        keys, values = [], []
        layers = list(zip(self.text_model.layers, self.lm_expert.layers, strict=True))
        for index, (language, expert) in enumerate(layers):
            if index < len(layers) - 1:
                x, key, value = language(x, table, bias)
            else:
                key, value = language.key_value(x, table)  # type: ignore[operator]
            key, value = expert.read_context(key, value)  # type: ignore[operator]
            keys.append(key)
            values.append(value)
        return keys, values, x

    def time_constants(self, t: Tensor) -> Tensor:
        """What the flow time [B] adds to every action token [B, 1, D]."""
        config = self.config
        embedded = time_embedding(t, config.expert_width, config.min_period, config.max_period)
        out: Tensor = self.time_mlp_in(embedded)[:, None]
        return out

    def step(self, x_t: Tensor, time_constants: Tensor, context: Context) -> Tensor:
        """Velocity of the flow (noise minus action).

        Args:
            x_t: noisy normalized chunk [B, horizon, action_width].
            time_constants: of the flow time, where 1 is pure noise and 0 the action.
            context: what `encode` returned.

        Returns:
            [B, horizon, action_width].
        """
        places = self.action_places(context.mask)
        return self.refine(x_t, time_constants, places, context.keys, context.values)

    def action_places(self, mask: Tensor) -> ActionPlaces:
        """Places of the rows of a chunk behind a context with the mask [B, P]."""
        config = self.config
        rows = torch.arange(config.horizon, device=mask.device)[None]
        behind, zero = (
            rotary_table(positions, config.head_width, config.rope_theta)
            for positions in (mask.sum(dim=1, keepdim=True) + rows, rows)
        )
        context = mask[:, None, None, :]
        earlier = (rows <= rows.T)[None, None].expand(len(mask), -1, -1, -1)
        seen = torch.cat([context.expand(-1, -1, config.horizon, -1), earlier], dim=3)
        return ActionPlaces(behind, zero, attention_bias(seen), attention_bias(context))

    def refine(
        self,
        x_t: Tensor,
        time_constants: Tensor,
        places: ActionPlaces,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
    ) -> Tensor:
        """Velocity (see `step`) with the chunk's places and the context's keys and values."""
        x = self.action_mlp_in(self.action_in_proj(x_t)) + time_constants
        x = self.action_time_mlp_out(F.silu(x))
        for layer, key, value in zip(self.lm_expert.layers, keys, values, strict=True):
            x = layer(x, places, key, value)
        out: Tensor = self.action_out_proj(self.lm_expert.norm(x))
        return out
