# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot and the node

from support.arm_and_hand import COMMANDED
from support.family_chain import FamilyChain
from support.imported_groot_n15 import NAME, tiny_sizes
from support.parity import golden


class TestChain(FamilyChain):
    family = checkpoint = NAME
    sizes = tiny_sizes(golden(NAME))
    linears = {"llm_attn": 16, "llm_mlp": 12, "dit_attn": 16, "dit_mlp": 8}
    attentions = [f"blocks.{i}.attn" for i in range(4)]
    shown = ("head.layers", 4)
    cosine = {"w8a8": 0.98, "w4a8": 0.9}
    joints = COMMANDED
