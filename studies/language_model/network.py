# SPDX-License-Identifier: Apache-2.0
"""A language model of Llama's form, of the package's own blocks, and where it is quantized."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, DecoderLayer, GatedMLP, rotary_table
from quantvla_ros.models.family import siblings_by_leaf
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite

GROUPS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a network."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    theta: float
    epsilon: float

    @property
    def head_width(self) -> int:
        """Columns of a head."""
        return self.width // self.heads


def _layer(config: LlamaConfig) -> DecoderLayer:
    width = config.width
    attention = Attention(width, config.heads, config.kv_heads, config.head_width)
    mlp = GatedMLP(width, config.mlp, "silu")
    return DecoderLayer(lambda: nn.RMSNorm(width, config.epsilon), attention, mlp)


class Llama(nn.Module):
    """A language model; its output layer is the transposed embedding."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(_layer(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, config.epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [B, T, vocabulary] of the tokens that follow `tokens`, int64 [B, T]."""
        return self.logits(self.states(self.embed_tokens(tokens))[-1])

    def states(self, x: Tensor, first: int = 0, end: int | None = None) -> list[Tensor]:
        """What enters layer `first` (`x` itself) and every later one, and what leaves the last.

        All are [B, T, D]. Layer `end` and those behind it are left out.
        """
        length = x.shape[1]
        positions = torch.arange(length)[None]
        table = rotary_table(positions, self.config.head_width, self.config.theta)
        mask = torch.full((length, length), -torch.inf).triu(1)[None, None]
        out = [x]
        for layer in self.layers[first:end]:
            out.append(layer(out[-1], table, mask)[0])
        return out

    def logits(self, x: Tensor) -> Tensor:
        """What the output layer makes of the last layer's output."""
        return F.linear(self.norm(x), self.embed_tokens.weight)


def linear_names(network: Llama) -> list[str]:
    """The linears that are quantized: all there are, in the network's order."""
    return [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]


def groups_of(network: Llama) -> list[tuple[str, ...]]:
    """All linears, those that read one tensor together."""
    names = linear_names(network)
    groups = {name: group for group in siblings_by_leaf(names, GROUPS) for name in group}
    return list(dict.fromkeys(groups.get(name, (name,)) for name in names))


def find_sites(network: Llama) -> Sites:
    """Where transforms fold, as a family would say it."""
    sites = Sites()
    for index in range(network.config.layers):
        block = f"layers.{index}"
        attention, mlp = f"{block}.self_attn", f"{block}.mlp"
        heads = tuple(f"{attention}.{part}_proj" for part in "qkv")
        sites.norms.append(NormSite(f"{block}.input_layernorm", heads))
        readers = (f"{mlp}.gate_proj", f"{mlp}.up_proj")
        sites.norms.append(NormSite(f"{block}.post_attention_layernorm", readers))
        values, attended = (f"{attention}.v_proj",), (f"{attention}.o_proj",)
        sites.values.append(ValueSite(values, attended, network.config.head_width))
        sites.gated.append(GatedSite(f"{mlp}.up_proj", f"{mlp}.down_proj"))
    return sites
