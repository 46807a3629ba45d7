# SPDX-License-Identifier: Apache-2.0
"""Places of a network where a transform of one layer's input can be folded into what makes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from quantvla_ros.models.blocks import VisionBlock


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
    """Attentions that share values, because one attends to what the other does.

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

    def add_decoder_layer(self, layer: str, readers: tuple[str, ...]) -> None:
        """Both norms and the gated MLP of a layer, the first norm with its readers."""
        gate, up, down = (f"{layer}.mlp.{part}_proj" for part in ("gate", "up", "down"))
        self.norms.append(NormSite(f"{layer}.input_layernorm", readers))
        self.norms.append(NormSite(f"{layer}.post_attention_layernorm", (gate, up)))
        self.gated.append(GatedSite(up, down))

    def add_vision_blocks(self, network: nn.Module) -> None:
        """All blocks of the vision tower."""
        for name, module in network.named_modules():
            if isinstance(module, VisionBlock):
                own, head_width = f"{name}.self_attn", module.self_attn.head_width
                self.norms.append(NormSite(f"{name}.layer_norm1", projections(own, "qkv")))
                self.norms.append(NormSite(f"{name}.layer_norm2", (f"{name}.fc1",)))
                self.add_values((own,), projections(own, "o"), head_width)
                self.plain.append(f"{name}.fc2")

    def add_values(
        self, attentions: tuple[str, ...], readers: tuple[str, ...], head_width: int
    ) -> None:
        """Values that the attentions share."""
        makers = tuple(f"{attention}.v_proj" for attention in attentions)
        self.values.append(ValueSite(makers, readers, head_width))


def projections(attention: str, parts: str) -> tuple[str, ...]:
    """Names of some of an attention's linears, such as those of "qkv"."""
    return tuple(f"{attention}.{part}_proj" for part in parts)
