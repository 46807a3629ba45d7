# SPDX-License-Identifier: Apache-2.0
"""What a training knows of the network that it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel
from torch import Tensor

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.models.context import Context
from quantvla_ros.models.family import Network


class Read(NamedTuple):
    """What a network has read of a batch of observations.

    Attributes:
        context: what the action expert attends to.
        features: what its last keys and values are made of [B, P, D]; image tokens come first.
        state_row: the token that the auxiliary distances are told from.
    """

    context: Context
    features: Tensor
    state_row: int


@dataclass(frozen=True)
class Architecture:
    """One network that can be trained here.

    Attributes:
        family: its name, as in a bundle.
        config_type: of its sizes.
        config: its sizes; with True those of the narrow network, where there is one.
        build: a new network of these sizes, with the values that a short training starts from.
        blocks: beginnings of the names of the layers whose matrices Muon trains.
        language_layers: name of the language model's list of layers; like `blocks`, by default that
            of the families whose layers stand side by side.
        read: what the network reads of "images", uint8 [B, 2, 96, 96, 3], "state", normalized
            [B, 11], "tokens" [B, L] of the instruction and "token_mask" [B, L].
        tokenizer_json: text of the tokenizer's file.
        tokenizer: how an instruction becomes tokens.
        state: whether the state becomes mean 0 and deviation 1, or -1..1 of its range.
        has_narrow: whether there is a narrow network that can be widened to it.
    """

    family: str
    config_type: type[BaseModel]
    config: Callable[[bool], Any]
    build: Callable[[Any], Network]
    read: Callable[[Any, Mapping[str, Tensor]], Read]
    tokenizer_json: Callable[[], str]
    tokenizer: Callable[[], TokenizerSpec]
    blocks: tuple[str, ...] = (
        "language_model.layers",
        "action_expert.layers",
        "vision_tower.layers",
    )
    language_layers: str = "language_model.layers"
    state: Literal["deviation", "range"] = "deviation"
    has_narrow: bool = False

    def reaches_actions(self, name: str, layers: int) -> bool:
        """Whether actions depend on a parameter: not on the last layer's after keys and values."""
        last = f"{self.language_layers}.{layers - 1}."
        if name.startswith(last):
            return name[len(last) :].startswith(
                ("input_layernorm", "self_attn.k_proj", "self_attn.v_proj")
            )
        return not name.startswith("language_model.norm")
