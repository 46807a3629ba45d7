# SPDX-License-Identifier: Apache-2.0
"""What the linears of an ACT network are, and where transforms fold.

Its transformer is what a language model is elsewhere: most of the weights, run once an observation.
There is no head that is run again and again, so the layouts' `dit` part is empty, and so are the
corrections of its attentions. Every norm's output is also what the next sum adds to, and places are
added before queries and keys are made: nothing folds into norms. The first decoder layer's queries
are made of rows that no observation changes: a compiler makes them once, so no layout rounds them.
"""

from __future__ import annotations

import re

from torch import nn

from quantvla_ros.models.act_policy.network import ActNetwork
from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import Stage
from quantvla_ros.models.sites import Sites, projections

_RULES: tuple[tuple[str, str], ...] = (
    (r"decoder\.0\.cross_attn\.q_proj$", "projection"),
    (r"(en|de)coder\..*_attn\.", "llm_attn"),
    (r"(en|de)coder\..*\.fc[12]$", "llm_mlp"),
    (r"", "projection"),
)


def layer_roles(network: nn.Module) -> dict[str, str]:
    """Role of every linear layer by module name."""
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return {name: next(role for rule, role in _RULES if re.match(rule, name)) for name in linears}


def stage_of(name: str) -> Stage:
    """All are reached by `encode`."""
    return "encode"


def siblings(network: nn.Module) -> list[tuple[str, ...]]:
    """Linears that are called on the same tensor: queries and keys of own attention."""
    names = [name for name, module in network.named_modules() if isinstance(module, Attention)]
    own = [name for name in names if name.endswith("self_attn")]
    return [(f"{name}.q_proj", f"{name}.k_proj") for name in own]


def attentions(network: nn.Module) -> dict[str, Attention]:
    """None: ACT has no head of its own."""
    return {}


def find_sites(network: nn.Module) -> Sites:
    """All foldable places: values, and the MLPs' second linears."""
    assert isinstance(network, ActNetwork)
    sites, width = Sites(), network.config.token_width // network.config.heads
    for name, module in network.named_modules():
        if isinstance(module, Attention):
            sites.add_values((name,), projections(name, "o"), width)
        if name.endswith(".fc2"):
            sites.plain.append(name)
    return sites
