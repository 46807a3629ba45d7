# SPDX-License-Identifier: Apache-2.0
"""What all networks of this form compute once their tokens are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import (
    RotaryTable,
    attention_bias,
    rotary_table,
    time_embedding,
)
from quantvla_ros.models.context import Context
from quantvla_ros.models.family import Network
from quantvla_ros.models.joint.layers import (
    ActionExpert,
    JointSizes,
    LanguageModel,
    QkNorm,
)


class JointNetwork(Network):
    """Language model, action expert and the projections of actions and flow time.

    A family adds what makes the tokens, in `embed`.
    """

    def add_joint_parts(
        self, sizes: JointSizes, qk_norm: QkNorm | None = None, final_norm: bool = False
    ) -> None:
        """Make both stacks and the projections; called once, while the network is made."""
        self.sizes = sizes
        width, expert = sizes.action_width, sizes.expert_width
        self.language_model = LanguageModel(sizes, final_norm)
        self.action_expert = ActionExpert(sizes, qk_norm)
        self.action_in_proj = nn.Linear(width, expert)
        self.action_out_proj = nn.Linear(expert, width)
        self.time_mlp_in = nn.Linear(expert, expert)
        self.time_mlp_out = nn.Linear(expert, expert)

    def embed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, D] of the processing's values, and their mask [B, P]."""
        raise NotImplementedError

    def words(self, tokens: Tensor) -> Tensor:
        """Embedded tokens [B, L, D], scaled by the root of the width, of their ids [B, L]."""
        out: Tensor = self.language_model.embed_tokens(tokens) * self.sizes.width**0.5
        return out

    def encode(self, inputs: Mapping[str, Tensor]) -> Context:
        """Run the language model once an observation; `inputs` are those of `embed`.

        Returns:
            The keys and values that every step attends to. What the last layer does after its keys
            and values reaches no action, so it is not computed.
        """
        x, mask = self.embed(inputs)
        keys, values, _ = self.read_tokens(x, *self.token_places(mask))
        return Context(keys, values, mask)

    def token_places(self, mask: Tensor) -> tuple[RotaryTable, Tensor]:
        """Rotary table of tokens with the mask [B, P], and what is added to logits [B, 1, 1, P]."""
        positions = torch.cumsum(mask, dim=1) - 1
        table = rotary_table(positions, self.sizes.head_width, self.sizes.rope_theta)
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
        sizes = self.sizes
        embedded = time_embedding(t, sizes.expert_width, sizes.min_period, sizes.max_period)
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
        positions = mask.sum(dim=1, keepdim=True) + torch.arange(rows, device=mask.device)
        table = rotary_table(positions, self.sizes.head_width, self.sizes.rope_theta)
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
        for layer, own, pair in zip(layers, norms, zip(keys, values, strict=True), strict=True):
            x = layer(x, own, table, pair, bias)
        x, _ = self.action_expert.norm(x, time_constants[-1])
        out: Tensor = self.action_out_proj(x)
        return out
