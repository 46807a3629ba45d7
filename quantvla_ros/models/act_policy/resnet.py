# SPDX-License-Identifier: Apache-2.0
"""ResNet 18 and 34 up to their last feature map.

Their batch norms are frozen; an import folds them into the convolutions in front of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions, and a third around them where size or channels change."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        changes = stride != 1 or before != channels
        self.around = nn.Conv2d(before, channels, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, before, H, W] to [B, channels, H / stride, W / stride]."""
        y = self.conv2(F.relu(self.conv1(x)))
        return F.relu(y + self.around(x))


class ResNet(nn.Module):
    """Pictures to feature maps of a 32nd of their sides."""

    def __init__(self, channels: Sequence[int], blocks: Sequence[int]) -> None:
        """Build it.

        Args:
            channels: of the first convolution and of each stage.
            blocks: of each stage.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels[0], 7, 2, 3)
        self.stages = nn.ModuleList()
        for number, (before, after, count) in enumerate(
            zip(channels, channels[1:], blocks, strict=False)
        ):
            stride = 1 if number == 0 else 2
            first = BasicBlock(before, after, stride)
            rest = (BasicBlock(after, after, 1) for _ in range(count - 1))
            self.stages.append(nn.Sequential(first, *rest))

    def forward(self, pictures: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, channels, H / 32, W / 32]."""
        x = F.max_pool2d(F.relu(self.conv1(pictures)), 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        return x
