# SPDX-License-Identifier: Apache-2.0
"""What the linears of a SmolVLA network are, by their names."""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import (
    SIBLINGS,
    Stage,
    attentions_below,
    siblings_by_leaf,
    unused_behind_keys,
)
from quantvla_ros.models.smolvla.network import SmolVLA

_CONDITION = ("action_mlp_in", "time_mlp_in", "action_time_mlp_out")
_STEP = ("lm_expert.", "action_", "time_")
_CONTEXT = (".cross_attn.k_proj", ".cross_attn.v_proj")


def _role(name: str) -> str:
    part = "mlp" if ".mlp." in name else "attn"
    if name.startswith("text_model."):
        return f"llm_{part}"
    if name.startswith("lm_expert."):
        return f"dit_{part}"
    if name.startswith("pictures.vision_model."):
        return "vision"
    return "condition" if name in _CONDITION else "projection"


def layer_roles(network: nn.Module) -> dict[str, str]:
    """Role of every linear by module name."""
    modules = network.named_modules()
    return {name: _role(name) for name, module in modules if isinstance(module, nn.Linear)}


def stage_of(name: str) -> Stage:
    """The half that reaches a linear; the keys and values of cross-attention belong to a chunk."""
    return "step" if name.startswith(_STEP) and not name.endswith(_CONTEXT) else "encode"


def siblings(network: nn.Module) -> list[tuple[str, ...]]:
    """Linears that are called on the same tensor; in cross-attention there are none."""
    names = [name for name, _ in network.named_modules() if ".cross_attn." not in name]
    return siblings_by_leaf(names, SIBLINGS)


def attentions(network: nn.Module) -> dict[str, Attention]:
    """The expert's attentions; their names begin below the expert."""
    assert isinstance(network, SmolVLA)
    return attentions_below(network.lm_expert)


def unused_layers(network: nn.Module) -> frozenset[str]:
    """Linears of the last language layer that no action depends on (see `SmolVLA.encode`).

    The network has them, so that its layers count as in the checkpoint.
    """
    assert isinstance(network, SmolVLA)
    return unused_behind_keys(f"text_model.layers.{network.config.layers - 1}")
