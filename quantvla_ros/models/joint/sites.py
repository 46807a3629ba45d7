# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a network of this form, and the attentions of its action expert."""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import attentions_below
from quantvla_ros.models.joint.network import JointNetwork
from quantvla_ros.models.sites import NormSite, Sites, projections


def attentions(network: nn.Module) -> dict[str, Attention]:
    """The expert's attentions; their names begin below the expert."""
    assert isinstance(network, JointNetwork)
    return attentions_below(network.action_expert)


def find_sites(network: nn.Module) -> Sites:
    """All foldable places; the language layer's values reach the expert's attention too."""
    assert isinstance(network, JointNetwork)
    sites = Sites()
    for index in range(network.sizes.layers):
        layers = [f"{stack}.layers.{index}" for stack in ("language_model", "action_expert")]
        own, expert = (f"{layer}.self_attn" for layer in layers)
        sites.add_decoder_layer(layers[0], projections(own, "qkv"))
        sites.add_decoder_layer(layers[1], projections(expert, "qkv"))
        readers = projections(own, "o") + projections(expert, "o")
        sites.add_values((own, expert), readers, network.sizes.head_width)
    sites.add_vision_blocks(network)
    sites.norms.append(NormSite("vision_tower.post_layernorm", ("multi_modal_projector",)))
    sites.norms.append(NormSite("action_expert.norm", ("action_out_proj",)))
    return sites
