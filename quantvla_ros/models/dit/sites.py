# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a network of this form, and the attentions of its action head.

No norm stands in front of the keys and values that the diffusion transformer makes of what was
read: nothing folds there.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.dit.network import DiTNetwork
from quantvla_ros.models.dit.sizes import HeadSizes, LanguageSizes
from quantvla_ros.models.family import attentions_below
from quantvla_ros.models.sites import NormSite, Sites, projections


def attentions(network: nn.Module) -> dict[str, Attention]:
    """Those of the diffusion transformer's blocks, by names that begin below it."""
    assert isinstance(network, DiTNetwork)
    return attentions_below(network.dit)


def common_sites(network: DiTNetwork) -> Sites:
    """All foldable places but those of the vision tower."""
    config, sites = network.config, Sites()
    _add_language(sites, config.language)
    head_width = config.language.width // config.head.reader_heads
    readers = {f"reader.{number}": head_width for number in range(config.head.reader_layers)}
    add_encoder_blocks(sites, readers)
    _add_dit(sites, config.head)
    return sites


def add_encoder_blocks(sites: Sites, blocks: Mapping[str, int]) -> None:
    """Add the places of `EncoderBlock`s, given with the columns of their heads."""
    for block, head_width in blocks.items():
        _add_attention(sites, f"{block}.norm1", f"{block}.self_attn", head_width)
        _add_mlp(sites, block)


def _add_language(sites: Sites, sizes: LanguageSizes) -> None:
    for number in range(sizes.layers):
        layer = f"language_model.layers.{number}"
        attention = f"{layer}.self_attn"
        sites.add_decoder_layer(layer, projections(attention, "qkv"))
        sites.add_values((attention,), projections(attention, "o"), sizes.head_width)


def _add_dit(sites: Sites, sizes: HeadSizes) -> None:
    for number in range(sizes.layers):
        block = f"dit.blocks.{number}"
        parts = "qkv" if number % 2 else "q"
        _add_attention(sites, f"{block}.norm1", f"{block}.attn", sizes.head_width, parts)
        _add_mlp(sites, block)
    sites.norms.append(NormSite("dit.norm_out", ("dit.proj_out",)))


def _add_attention(
    sites: Sites, norm: str, attention: str, head_width: int, parts: str = "qkv"
) -> None:
    """An attention; `parts` of it read the norm."""
    sites.norms.append(NormSite(norm, projections(attention, parts)))
    sites.add_values((attention,), projections(attention, "o"), head_width)


def _add_mlp(sites: Sites, block: str) -> None:
    sites.norms.append(NormSite(f"{block}.norm2", (f"{block}.fc1",)))
    sites.plain.append(f"{block}.fc2")
