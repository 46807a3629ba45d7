# SPDX-License-Identifier: Apache-2.0
"""Start values that make a short training work."""

from __future__ import annotations

import torch
from torch import nn


def open_gates(network: nn.Module) -> None:
    """Adaptive norms that begin as plain ones behind open gates."""
    for name, parameter in network.named_parameters():
        if name.endswith("dense.weight"):
            nn.init.zeros_(parameter)
        elif name.endswith("dense.bias"):
            nn.init.zeros_(parameter)
            with torch.no_grad():
                parameter[2 * len(parameter) // 3 :] = 1.0


def large_words(network: nn.Module, width: int) -> None:
    """Words that stand out among pictures; they are scaled by the root of the width."""
    for name, parameter in network.named_parameters():
        if name.endswith("embed_tokens.weight"):
            nn.init.normal_(parameter, std=4.0 / width**0.5)


def small_places(network: nn.Module) -> None:
    """Places of patches that do not drown the patches."""
    for name, parameter in network.named_parameters():
        if name.endswith("position_embedding"):
            nn.init.normal_(parameter, std=0.02)
