# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a network of this form, and the attentions of its action expert."""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.blocks import Attention, VisionBlock
from quantvla_ros.models.joint.network import JointNetwork
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite


def attentions(network: nn.Module) -> dict[str, Attention]:
    """The expert's attentions; their names begin below the expert."""
    assert isinstance(network, JointNetwork)
    expert = network.action_expert
    return {name: m for name, m in expert.named_modules() if isinstance(m, Attention)}


def find_sites(network: nn.Module) -> Sites:
    """All foldable places; the language layer's values reach the expert's attention too."""
    assert isinstance(network, JointNetwork)
    sites = Sites()
    for index in range(network.sizes.layers):
        pair = [f"{stack}.layers.{index}" for stack in ("language_model", "action_expert")]
        for name in pair:
            _add_attention(sites, f"{name}.input_layernorm", name)
            mlp = f"{name}.mlp"
            readers = (f"{mlp}.gate_proj", f"{mlp}.up_proj")
            sites.norms.append(NormSite(f"{name}.post_attention_layernorm", readers))
            sites.gated.append(GatedSite(f"{mlp}.up_proj", f"{mlp}.down_proj"))
        sites.values.append(_value_site(pair, network.sizes.head_width))
    for name, module in network.named_modules():
        if isinstance(module, VisionBlock):
            _add_attention(sites, f"{name}.layer_norm1", name)
            sites.norms.append(NormSite(f"{name}.layer_norm2", (f"{name}.fc1",)))
            sites.values.append(_value_site([name], module.self_attn.head_width))
            sites.plain.append(f"{name}.fc2")
    sites.norms.append(NormSite("vision_tower.post_layernorm", ("multi_modal_projector",)))
    sites.norms.append(NormSite("action_expert.norm", ("action_out_proj",)))
    return sites


def _add_attention(sites: Sites, norm: str, block: str) -> None:
    readers = tuple(f"{block}.self_attn.{part}_proj" for part in "qkv")
    sites.norms.append(NormSite(norm, readers))


def _value_site(blocks: list[str], head_width: int) -> ValueSite:
    return ValueSite(
        tuple(f"{block}.self_attn.v_proj" for block in blocks),
        tuple(f"{block}.self_attn.o_proj" for block in blocks),
        head_width,
    )
