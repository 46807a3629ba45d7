# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot and the node

from support.arm_and_hand import COMMANDED
from support.family_chain import FamilyChain


class TestChain(FamilyChain):
    family, checkpoint, sizes = "act_policy", "act", {}
    linears = {"llm_attn": 19, "llm_mlp": 8}
    attentions = ()
    shown = ("rows", 9)
    cosine = {"w8a8": 0.99, "w4a8": 0.9}
    joints = COMMANDED
