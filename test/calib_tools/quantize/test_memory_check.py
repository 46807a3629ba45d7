# SPDX-License-Identifier: Apache-2.0
"""A quantization that cannot fit is refused before it begins."""

from __future__ import annotations

import pytest
from support.tiny_policy import save_tiny_bundle, tiny_manifest

from calib_tools.quantize import memory_check
from calib_tools.quantize.memory_check import check_memory, memory_need
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.bundle.tensors import tensor_header
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.families import find_family
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.quantization.layouts import select_layers
from studies.full_size.pi05 import SIZES


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


def need_of(path, **recipe):
    manifest = load_manifest(path)
    network = empty_network(manifest)
    names = select_layers(find_family(manifest.family).roles(network), "llm+dit_mlp")
    return memory_need(network, names, tensor_header(path), Recipe(**recipe).checked())


def test_nothing_is_begun_where_it_does_not_fit(monkeypatch, path, tmp_path):
    monkeypatch.setattr(memory_check, "available_memory", lambda: 100_000_000)
    with pytest.raises(QuantVLAError, match=r"takes about 0\.4 GB .* 0\.1 GB are free") as refusal:
        quantize_bundle(
            path, Samples([], [], "0" * 64), Recipe(), tmp_path / "out", False, None, print
        )
    assert "no scheme or rounding takes less" in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_the_way_out_is_one_that_fits(monkeypatch, path):
    most = [need_of(path, rounding=rounding).most for rounding in ("gptq", "clip")]
    assert most[1] < most[0]
    monkeypatch.setattr(memory_check, "available_memory", lambda: int(sum(most) / 2))
    with pytest.raises(QuantVLAError, match="with --rounding clip it fits"):
        check_memory(path, tiny_manifest(), Recipe().checked())
    check_memory(path, tiny_manifest(), Recipe(rounding="clip").checked())


def test_a_system_that_does_not_tell_refuses_nothing(monkeypatch, path):
    monkeypatch.setattr(memory_check, "available_memory", lambda: None)
    check_memory(path, tiny_manifest(), Recipe().checked())


def test_published_sizes_take_less_than_twenty_gigabytes():
    """Of pi0.5: 7.3 GB on disk, and layers of 16384 inputs."""
    family = find_family("pi05")
    import torch

    with torch.device("meta"):
        network = family.build(Pi05Config.model_validate(SIZES.model_dump()))
    wide = ("vision_tower", "multi_modal_projector", "time_mlp", "action_in", "action_out")
    stored, place = {}, 0
    for name, tensor in network.state_dict().items():
        size = tensor.numel() * (4 if name.startswith(wide) else 2)
        stored[name] = {"shape": list(tensor.shape), "data_offsets": [place, place + size]}
        place += size
    names = select_layers(family.roles(network), "llm+dit_mlp")
    need = memory_need(network, names, stored, Recipe(scheme="w4a8").checked())
    assert 10e9 < need.most < 20e9
    assert need.rounding > 20 * 16384**2
