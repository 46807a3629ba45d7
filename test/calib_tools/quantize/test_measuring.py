# SPDX-License-Identifier: Apache-2.0
"""The weights that workers measure with are in memory once, for them and for who sent them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from support.tiny_policy import tiny_network

from calib_tools.quantize.measuring import Setup, _map_weights
from calib_tools.quantize.rounding_stage import RoundedLayers
from quantvla_ros.models.flow import Flow


def mapped_bytes(file: Path) -> int:
    """Bytes of a file that this process has mapped."""
    total = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, path = line.split()
        if path == str(file):
            begin, end = (int(text, 16) for text in span.split("-"))
            total += end - begin
    return total


@pytest.fixture
def mapped(tmp_path):
    """A network, its weights before, and the file that they come from now."""
    network, file = tiny_network(), tmp_path / "setup.pt"
    before = copy.deepcopy(network.state_dict())
    torch.save(Setup("mini_pi05", network, RoundedLayers(tmp_path, {}, 8), [], Flow(4)), file)
    _map_weights(network, file)
    return network, before, file


def test_the_network_is_bit_for_bit_the_same_and_lies_in_the_file(mapped):
    network, before, file = mapped
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    held = sum(parameter.nbytes for parameter in network.parameters())
    assert mapped_bytes(file) >= held


def test_a_change_of_the_network_does_not_reach_the_file(mapped):
    network, before, file = mapped
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    stored = torch.load(file, weights_only=False).network.state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in before.items())


def test_the_network_outlives_the_file(mapped):
    network, before, file = mapped
    file.unlink()
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in before.items())
