# SPDX-License-Identifier: Apache-2.0
"""What the linears of a network of this form are, by their names."""

from __future__ import annotations

import re

from torch import nn

from quantvla_ros.models.family import Stage, siblings_by_leaf

_RULES: tuple[tuple[str, str], ...] = (
    (r"language_model\..*\.self_attn\.", "llm_attn"),
    (r"language_model\..*\.mlp\.", "llm_mlp"),
    (r"dit\.blocks\.\d+\.attn\.", "dit_attn"),
    (r"dit\.blocks\.\d+\.fc[12]$", "dit_mlp"),
    (r"dit\.(time|.*\.dense$)", "condition"),
    (r"visual\.", "vision"),
    (r"", "projection"),
)
"""Role by the beginning of a name. What reads the backbone's output for the head (`reader`) is a
projection: the published layouts leave it float."""

_MEMORY = re.compile(r"dit\.blocks\.\d*[02468]\.attn\.[kv]_proj$")
"""Keys and values of the blocks that read what the backbone made: made once an observation."""


def layer_roles(network: nn.Module) -> dict[str, str]:
    """Role of every linear layer by module name."""
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return {name: next(role for rule, role in _RULES if re.match(rule, name)) for name in linears}


def stage_of(name: str) -> Stage:
    """The half that reaches a linear; the time's layers belong to the steps."""
    if _MEMORY.match(name):
        return "encode"
    return "step" if name.startswith(("dit.", "action_")) else "encode"


def siblings(network: nn.Module) -> list[tuple[str, ...]]:
    """Linears that are called on the same tensor."""
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    crossing = [name for name in linears if stage_of(name) == "encode" and name.startswith("dit.")]
    own = [name for name in linears if not _reads_memory(name)]
    groups = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
    return siblings_by_leaf(own, groups) + siblings_by_leaf(crossing, [("k_proj", "v_proj")])


def _reads_memory(name: str) -> bool:
    """Whether a linear belongs to an attention that reads what the backbone made."""
    return re.match(r"dit\.blocks\.\d*[02468]\.attn\.", name) is not None
