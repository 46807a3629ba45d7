# SPDX-License-Identifier: Apache-2.0
"""The full size on the meta device, against the list of tensors that LeRobot prints."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.models.smolvla.config import SmolVLAConfig
from quantvla_ros.models.smolvla.family import FAMILY
from quantvla_ros.models.smolvla.network import SmolVLA
from quantvla_ros.models.smolvla.weights import network_weights, sizes_of
from studies.full_size.smolvla import tensors


class MetaSource:
    """A tensor of a checkpoint that is on no disk."""

    def __init__(self, tensor):
        self._tensor = tensor

    def read(self):
        return self._tensor

    meta = read


@pytest.fixture(scope="module")
def published():
    return tensors()


@pytest.fixture(scope="module")
def checkpoint(published):
    sources = {name: MetaSource(tensor) for name, tensor in published.items()}
    return Checkpoint(Path("published"), {}, sources, tied={}, buffers={})


@pytest.fixture(scope="module")
def network(checkpoint):
    config = SmolVLAConfig(cameras=3, **sizes_of(checkpoint))
    assert config == SmolVLAConfig(cameras=3)  # the published sizes are the defaults
    with torch.device("meta"):
        return SmolVLA(config)


def test_there_are_500_tensors_and_450_million_numbers(published):
    assert len(published) == 500
    assert sum(tensor.numel() for tensor in published.values()) == 450_046_176


def test_every_tensor_is_used_or_dropped_and_the_network_gets_all_of_its_own(
    checkpoint, network, published
):
    weights = network_weights(checkpoint, network.config)
    weights.check(network.state_dict())
    dropped = {"model.vlm_with_expert.vlm.lm_head.weight"}
    dropped |= {"model.vlm_with_expert.vlm.model.text_model.norm.weight"}
    left = sum(t.numel() for name, t in published.items() if name not in dropped)
    assert sum(p.numel() for p in network.parameters()) == left == 402_736_416
    assert weights.meta("text_model.embed_tokens.weight").dtype == torch.bfloat16
    assert weights.meta("action_out_proj.weight").dtype == torch.float32


def test_the_layouts_count_as_published(network):
    roles = Counter(FAMILY.roles(network).values())
    assert roles["llm_attn"] + roles["llm_mlp"] == 112
    assert roles["dit_mlp"] == 48 and roles["dit_attn"] == 64
    # The joined layer of action and time is two here: 303 linears, less the words' output.
    assert sum(roles.values()) == 303
    weights = {
        role: sum(
            network.get_submodule(name).weight.numel()
            for name, own in FAMILY.roles(network).items()
            if own.startswith(role)
        )
        for role in ("llm", "dit_mlp")
    }
    assert weights == {"llm": 157_286_400, "dit_mlp": 70_778_880}
