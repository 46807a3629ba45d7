# SPDX-License-Identifier: Apache-2.0
"""The network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import Graphs
from quantvla_ros.models.joint.graphs import joint_graphs
from quantvla_ros.models.pi05.network import Pi05

_NO_FP16 = {
    "language": "Gemma was trained in bfloat16, and what its layers add up passes float16's 65504"
}


def graphs(network: nn.Module) -> Graphs:
    """Both graphs (see `joint_graphs`)."""
    assert isinstance(network, Pi05)

    def host(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        own = {"images": inputs["images"], "tokens": inputs["tokens"].to(torch.int32)}
        return own, network.token_mask(inputs["camera_mask"], inputs["token_mask"])

    names = ("images", "tokens")
    return joint_graphs(network, names, network.tokens, host, no_fp16=_NO_FP16)
