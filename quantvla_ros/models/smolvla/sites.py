# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a SmolVLA network.

Nothing folds in front of the keys of cross-attention: they are made of keys that were rotated by
their positions. The connector reads normed patches side by side, in another order than the norm's
gain, so the vision tower's last norm is no site either.
"""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.blocks import VisionBlock
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite
from quantvla_ros.models.smolvla.network import SmolVLA


def find_sites(network: nn.Module) -> Sites:
    """All foldable places; the expert reads the language model's values too."""
    assert isinstance(network, SmolVLA)
    config = network.config
    sites = Sites()
    for index in range(config.layers):
        language, expert = (f"{stack}.layers.{index}" for stack in ("text_model", "lm_expert"))
        own = f"{language}.self_attn"
        _add_layer(sites, language, _readers(own, "qkv"))
        if config.attends_to_actions(index):
            joint = f"{expert}.self_attn"
            _add_layer(sites, expert, _readers(joint, "qkv"))
            _add_values(sites, (own, joint), _readers(own, "o") + _readers(joint, "o"), network)
        else:
            cross = f"{expert}.cross_attn"
            _add_layer(sites, expert, _readers(cross, "q"))
            _add_values(sites, (own,), _readers(own, "o") + _readers(cross, "v"), network)
            _add_values(sites, (cross,), _readers(cross, "o"), network)
    for name, module in network.named_modules():
        if isinstance(module, VisionBlock):
            own = f"{name}.self_attn"
            sites.norms.append(NormSite(f"{name}.layer_norm1", _readers(own, "qkv")))
            sites.norms.append(NormSite(f"{name}.layer_norm2", (f"{name}.fc1",)))
            head = module.self_attn.head_width
            sites.values.append(ValueSite(_readers(own, "v"), _readers(own, "o"), head))
            sites.plain.append(f"{name}.fc2")
    sites.norms.append(NormSite("lm_expert.norm", ("action_out_proj",)))
    return sites


def _readers(attention: str, parts: str) -> tuple[str, ...]:
    return tuple(f"{attention}.{part}_proj" for part in parts)


def _add_layer(sites: Sites, layer: str, readers: tuple[str, ...]) -> None:
    sites.norms.append(NormSite(f"{layer}.input_layernorm", readers))
    mlp = f"{layer}.mlp"
    sites.norms.append(
        NormSite(f"{layer}.post_attention_layernorm", (f"{mlp}.gate_proj", f"{mlp}.up_proj"))
    )
    sites.gated.append(GatedSite(f"{mlp}.up_proj", f"{mlp}.down_proj"))


def _add_values(
    sites: Sites, makers: tuple[str, ...], readers: tuple[str, ...], network: SmolVLA
) -> None:
    made = tuple(f"{attention}.v_proj" for attention in makers)
    sites.values.append(ValueSite(made, readers, network.config.head_width))
