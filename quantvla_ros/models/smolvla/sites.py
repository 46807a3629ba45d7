# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a SmolVLA network.

Nothing folds in front of the keys of cross-attention: they are made of keys that were rotated by
their positions. The connector reads normed patches side by side, in another order than the norm's
gain, so the vision tower's last norm is no site either.
"""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.sites import NormSite, Sites, projections
from quantvla_ros.models.smolvla.network import SmolVLA


def find_sites(network: nn.Module) -> Sites:
    """All foldable places; the expert reads the language model's values too."""
    assert isinstance(network, SmolVLA)
    config, head_width = network.config, network.config.head_width
    sites = Sites()
    for index in range(config.layers):
        language, expert = (f"{stack}.layers.{index}" for stack in ("text_model", "lm_expert"))
        own = f"{language}.self_attn"
        sites.add_decoder_layer(language, projections(own, "qkv"))
        if config.attends_to_actions(index):
            joint = f"{expert}.self_attn"
            sites.add_decoder_layer(expert, projections(joint, "qkv"))
            readers = projections(own, "o") + projections(joint, "o")
            sites.add_values((own, joint), readers, head_width)
        else:
            cross = f"{expert}.cross_attn"
            sites.add_decoder_layer(expert, projections(cross, "q"))
            sites.add_values((own,), projections(own, "o") + projections(cross, "v"), head_width)
            sites.add_values((cross,), projections(cross, "o"), head_width)
    sites.add_vision_blocks(network)
    sites.norms.append(NormSite("lm_expert.norm", ("action_out_proj",)))
    return sites
