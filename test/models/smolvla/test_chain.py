# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot and the node

from support.family_chain import FamilyChain
from support.smolvla import SIZES


class TestChain(FamilyChain):
    family = checkpoint = "smolvla"
    sizes = SIZES
    linears = {"llm_attn": 16, "llm_mlp": 12, "dit_attn": 16, "dit_mlp": 12}
    attentions = [f"layers.{i}.{'cross' if i % 2 else 'self'}_attn" for i in range(4)]
    shown = ("expert_width", 36)
