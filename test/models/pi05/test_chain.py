# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot and the node

from support.family_chain import FamilyChain
from support.tiny_pi05 import CAMERAS, SIZES


class TestChain(FamilyChain):
    family = checkpoint = "pi05"
    sizes, slots = SIZES, CAMERAS
    linears = {"llm_attn": 12, "llm_mlp": 9, "dit_attn": 12, "dit_mlp": 9}
    attentions = [f"layers.{i}.self_attn" for i in range(3)]
    shown = ("state_in_prompt", 8)
