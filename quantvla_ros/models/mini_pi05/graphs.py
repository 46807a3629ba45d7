# SPDX-License-Identifier: Apache-2.0
"""The bundled network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import Graphs
from quantvla_ros.models.joint.graphs import PARTS, joint_graphs
from quantvla_ros.models.mini_pi05.network import MiniPi05, scaled_pixels


def graphs(network: nn.Module) -> Graphs:
    """Both graphs (see `joint_graphs`)."""
    assert isinstance(network, MiniPi05)

    def host(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        own = {
            "pixels": scaled_pixels(inputs["images"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
        }
        return own, network.token_mask(inputs["token_mask"])

    parts = {**PARTS, "state_": "language"}
    return joint_graphs(network, ("pixels", "state", "tokens"), network.tokens, host, parts)
