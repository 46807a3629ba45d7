# SPDX-License-Identifier: Apache-2.0
"""Roles of the pi0.5 family's linear layers: what the quantizer's layouts select from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from quantvla_ros.models.mini_pi05.network import Pi05Config


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


def unused_layers(config: Pi05Config) -> set[str]:
    """Linears of the last language layer that no action depends on (see `Pi05.encode`)."""
    last = f"language_model.layers.{config.layers - 1}"
    return {
        f"{last}.self_attn.q_proj",
        f"{last}.self_attn.o_proj",
        f"{last}.mlp.gate_proj",
        f"{last}.mlp.up_proj",
        f"{last}.mlp.down_proj",
    }
