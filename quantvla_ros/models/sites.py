# SPDX-License-Identifier: Apache-2.0
"""Places of a network where a transform of one layer's input can be folded into what makes it."""

from __future__ import annotations

from dataclasses import dataclass, field


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
