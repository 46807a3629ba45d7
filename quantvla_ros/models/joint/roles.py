# SPDX-License-Identifier: Apache-2.0
"""What the linears of a network of this form are, by their names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from quantvla_ros.models.family import SIBLINGS, Stage, siblings_by_leaf, unused_behind_keys
from quantvla_ros.models.joint.layers import JointSizes


@dataclass(frozen=True)
class RoleRule:
    """All linears whose name starts with `prefix` and holds `part` play `role`."""

    prefix: str
    part: str
    role: str


ROLE_RULES: tuple[RoleRule, ...] = (
    RoleRule("language_model.layers.", ".self_attn.", "llm_attn"),
    RoleRule("language_model.layers.", ".mlp.", "llm_mlp"),
    RoleRule("action_expert.layers.", ".self_attn.", "dit_attn"),
    RoleRule("action_expert.layers.", ".mlp.", "dit_mlp"),
    RoleRule("action_expert.", ".dense", "condition"),
    RoleRule("time_mlp", "", "condition"),
    RoleRule("vision_tower.", "", "vision"),
    RoleRule("", "", "projection"),
)


def layer_roles(network: nn.Module) -> dict[str, str]:
    """Role of every linear layer by module name."""
    roles = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            rule = next(r for r in ROLE_RULES if name.startswith(r.prefix) and r.part in name)
            roles[name] = rule.role
    return roles


def stage_of(name: str) -> Stage:
    """The half that reaches a linear; the time's layers belong to the steps."""
    return "step" if name.startswith(("action_", "time_")) else "encode"


def siblings(network: nn.Module) -> list[tuple[str, ...]]:
    """Linears that are called on the same tensor."""
    names = [name for name, _ in network.named_modules()]
    return siblings_by_leaf(names, SIBLINGS)


def unused_layers(sizes: JointSizes) -> frozenset[str]:
    """Linears of the last language layer that no action depends on (see `JointNetwork.encode`)."""
    return unused_behind_keys(f"language_model.layers.{sizes.layers - 1}")
