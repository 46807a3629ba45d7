# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot and the node

from support.arm_and_hand import COMMANDED
from support.family_chain import FamilyChain, assert_continues
from support.imported_groot import tiny_sizes
from support.parity import golden


class TestChain(FamilyChain):
    family, checkpoint = "groot_n17", "groot"
    sizes = tiny_sizes(golden("groot"))
    linears = {"llm_attn": 16, "llm_mlp": 12, "dit_attn": 32, "dit_mlp": 16}
    attentions = [f"blocks.{i}.attn" for i in range(8)]
    shown = ("head.layers", 8)
    cosine = {"w8a8": 0.98, "w4a8": 0.9}
    joints = COMMANDED

    def test_a_chunk_of_relative_actions_continues_too(self, buffer, tmp_path):
        assert_continues(self.saved("groot_relative", tmp_path / "float"), buffer)
