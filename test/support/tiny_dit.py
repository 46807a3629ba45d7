# SPDX-License-Identifier: Apache-2.0
"""What the tiny random networks of the families of GR00T share: most sizes, weights and inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.models.dit.network import DiTNetwork
from quantvla_ros.models.dit.sizes import DiTConfig
from quantvla_ros.models.flow import Flow

FLOW = Flow(4, noise_time=0.0, action_time=1.0)
LANGUAGE = {
    "vocabulary": 50, "width": 32, "layers": 3, "heads": 4, "kv_heads": 2, "head_width": 16,
    "mlp": 64,
}  # fmt: skip
HEAD = {
    "layers": 4, "heads": 2, "head_width": 16, "mlp": 64, "output": 24, "hidden": 20,
    "reader_layers": 1, "reader_heads": 2, "reader_mlp": 64, "buckets": 1000,
}  # fmt: skip
ACTIONS = {"state_width": 6, "action_width": 5, "rows": 7}


def random_network(kind: type[DiTNetwork], config: DiTConfig, seed: int = 0) -> DiTNetwork:
    """Random weights; norms differ from their neutral gains."""
    torch.manual_seed(seed)
    network = kind(config).eval().requires_grad_(False)
    for name, tensor in network.named_parameters():
        if "norm" in name or "vlln" in name:
            tensor.add_(0.2 * torch.randn_like(tensor))
    return network


def words_and_state(
    config: DiTConfig, room: int, length: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Inputs of `encode` but for pictures, batch of one: a state, and a text in its padding."""
    mask = torch.arange(room)[None] < length
    return {
        "state": torch.randn(1, config.state_width, generator=generator),
        "tokens": torch.randint(1, 50, (1, room), generator=generator) * mask,
        "token_mask": mask,
    }


def noise_of(config: DiTConfig, seed: int = 0) -> Tensor:
    """Where the flow begins."""
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(1, config.rows, config.action_width, generator=generator)
