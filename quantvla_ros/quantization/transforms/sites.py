# SPDX-License-Identifier: Apache-2.0
"""Places of a network where a transform of one layer's input can be folded into what makes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.blocks import VisionBlock
from quantvla_ros.models.mini_pi05.network import Pi05


@dataclass(frozen=True)
class NormSite:
    """A norm and all the layers that read its output.

    Attributes:
        norm: module name.
        readers: names of the linears; nothing else reads the output.
    """

    norm: str
    readers: tuple[str, ...]


@dataclass(frozen=True)
class ValueSite:
    """Attentions that share values: the language layer's reach the expert's attention too.

    Attributes:
        makers: names of the linears that make values.
        readers: names of the linears that read the attended values.
        head_width: columns of one head.
    """

    makers: tuple[str, ...]
    readers: tuple[str, ...]
    head_width: int


@dataclass(frozen=True)
class GatedSite:
    """Where ``down`` reads ``act(gate) * up``: what scales up's rows scales down's input."""

    up: str
    down: str


@dataclass
class Sites:
    """All foldable places of a network.

    Attributes:
        norms: norms with their readers.
        values: attentions, those that share values together.
        gated: gated MLPs.
        plain: second linear of each MLP with a plain activation between its two.
    """

    norms: list[NormSite] = field(default_factory=list)
    values: list[ValueSite] = field(default_factory=list)
    gated: list[GatedSite] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)


def find_sites(network: nn.Module) -> Sites:
    """Find them in a network of the pi0.5 family.

    Raises:
        QuantVLAError: the network is of another family.
    """
    if not isinstance(network, Pi05):
        raise QuantVLAError(
            f"conditioning does not know networks of the kind {type(network).__name__}; "
            "quantize without --condition"
        )
    sites = Sites()
    for index in range(network.config.layers):
        pair = [f"{stack}.layers.{index}" for stack in ("language_model", "action_expert")]
        for name in pair:
            _add_attention(sites, f"{name}.input_layernorm", name)
            mlp = f"{name}.mlp"
            readers = (f"{mlp}.gate_proj", f"{mlp}.up_proj")
            sites.norms.append(NormSite(f"{name}.post_attention_layernorm", readers))
            sites.gated.append(GatedSite(f"{mlp}.up_proj", f"{mlp}.down_proj"))
        sites.values.append(_value_site(pair, network.config.head_width))
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
