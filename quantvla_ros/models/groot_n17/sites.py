# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a GR00T N1.7 network, and the attentions of its action head.

No norm stands in front of the keys and values that the diffusion transformer makes of what was
read, nor of a token's four patches, which the tower's own norm sees one by one: nothing folds
there.
"""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.groot_n17.network import GrootN17
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite


def attentions(network: nn.Module) -> dict[str, Attention]:
    """Those of the diffusion transformer's blocks, by names that begin below it."""
    assert isinstance(network, GrootN17)
    named = network.dit.named_modules()
    return {name: module for name, module in named if isinstance(module, Attention)}


def find_sites(network: nn.Module) -> Sites:
    """All foldable places."""
    assert isinstance(network, GrootN17)
    config, sites = network.config, Sites()
    for number in range(config.language.layers):
        layer = f"language_model.layers.{number}"
        attention, mlp = f"{layer}.self_attn", f"{layer}.mlp"
        _add_attention(sites, f"{layer}.input_layernorm", attention, config.language.head_width)
        readers = (f"{mlp}.gate_proj", f"{mlp}.up_proj")
        sites.norms.append(NormSite(f"{layer}.post_attention_layernorm", readers))
        sites.gated.append(GatedSite(f"{mlp}.up_proj", f"{mlp}.down_proj"))
    vision, head = config.vision, config.head
    plain = {f"visual.blocks.{n}": vision.width // vision.heads for n in range(vision.layers)}
    width = config.language.width // head.reader_heads
    plain |= {f"reader.{n}": width for n in range(head.reader_layers)}
    for block, head_width in plain.items():
        _add_attention(sites, f"{block}.norm1", f"{block}.self_attn", head_width)
        _add_mlp(sites, block)
    for number in range(head.layers):
        block = f"dit.blocks.{number}"
        parts = "qkv" if number % 2 else "q"
        _add_attention(sites, f"{block}.norm1", f"{block}.attn", head.head_width, parts)
        _add_mlp(sites, block)
    sites.norms.append(NormSite("dit.norm_out", ("dit.proj_out",)))
    for number in range(len(vision.deepstack)):
        merger = f"visual.deepstack.{number}"
        sites.norms.append(NormSite(f"{merger}.norm", (f"{merger}.fc1",)))
        sites.plain.append(f"{merger}.fc2")
    sites.plain.append("visual.merger.fc2")
    return sites


def _add_attention(
    sites: Sites, norm: str, attention: str, head_width: int, parts: str = "qkv"
) -> None:
    """An attention; `parts` of it read the norm."""
    sites.norms.append(NormSite(norm, tuple(f"{attention}.{part}_proj" for part in parts)))
    value = ValueSite((f"{attention}.v_proj",), (f"{attention}.o_proj",), head_width)
    sites.values.append(value)


def _add_mlp(sites: Sites, block: str) -> None:
    sites.norms.append(NormSite(f"{block}.norm2", (f"{block}.fc1",)))
    sites.plain.append(f"{block}.fc2")
