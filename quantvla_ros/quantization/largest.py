# SPDX-License-Identifier: Apache-2.0
"""The largest numbers in each part of a network: whether a narrow kind of float can hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from quantvla_ros.models.blocks import ScaledDotProduct


def largest_by_part(
    network: nn.Module, part_of: Callable[[str], str], run: Callable[[], None]
) -> dict[str, float]:
    """Run a network and take the largest magnitude that enters or leaves any module of a part.

    Logits of attention count too. What lies between two modules is a sum or product of what was
    seen, less than a few times larger: whoever decides by these numbers leaves a margin.

    Args:
        network: that `run` runs.
        part_of: part of a module by its name.
        run: runs the network on the calibration samples.
    """
    found: dict[str, float] = defaultdict(float)
    handles = []

    def hook_of(part: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            seen = tree_leaves((inputs[:1], output))  # masks and tables come behind
            if isinstance(module, ScaledDotProduct):
                seen += [*inputs[1:3], _logits(inputs[0], inputs[1])]
            for tensor in seen:
                if isinstance(tensor, Tensor) and tensor.is_floating_point():
                    found[part] = max(found[part], float(tensor.abs().max()))

        return hook

    for name, module in network.named_modules():
        if not isinstance(module, nn.ModuleList) and name:
            handles.append(module.register_forward_hook(hook_of(part_of(name))))
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return dict(sorted(found.items()))


def _logits(query: Tensor, key: Tensor) -> Tensor:
    scaled = query * query.shape[-1] ** -0.5
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    logits: Tensor = scaled @ key.transpose(-1, -2)
    return logits
