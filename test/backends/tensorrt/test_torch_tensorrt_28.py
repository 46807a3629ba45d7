# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT 2.8 on PyTorch 2.8, as JetPack 6.2 has them, converts both graphs whole."""

from __future__ import annotations

import importlib.util
from importlib import metadata

import pytest
from support.driverless import AMPERE

from quantvla_ros.backends.tensorrt.builders import torch_tensorrt
from quantvla_ros.backends.tensorrt.building import Request, build_all
from quantvla_ros.backends.tensorrt.engine_record import GRAPHS
from quantvla_ros.errors import BackendError
from quantvla_ros.resources import shared_file
from studies.static_bundle import save_static_bundle

pytestmark = pytest.mark.slow

if importlib.util.find_spec("torch_tensorrt") is None or not metadata.version("torch").startswith(
    "2.8."
):
    pytest.skip("needs .venv-jetpack6 (make test-jetpack6)", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def jetpack6():
    from support.jetpack6 import import_torch_tensorrt_28

    import_torch_tensorrt_28()


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8") / "int8"
    return save_static_bundle(shared_file("policies/panda"), folder)


def build(bundle, folder):
    request = Request(bundle, folder, "torch_tensorrt", "bf16", AMPERE, local=False)
    return build_all(request, lambda text, share: None, lambda text: None)


def test_both_graphs_become_one_engine_each_with_all_integers(int8, tmp_path):
    record = build(int8, tmp_path)
    assert record.builder.version.startswith("2.8.")
    assert [record.plans[graph].int8_products for graph in GRAPHS] == [13, 8]
    assert sum(len(plan.int8_linears) for plan in record.plans.values()) == 35


def test_the_true_error_is_told(int8, tmp_path, monkeypatch):
    def fail(*arguments):
        raise ValueError("the true reason")

    monkeypatch.setattr(torch_tensorrt, "build_network", fail)
    with pytest.raises(BackendError, match=r"Torch-TensorRT 2\.8.*: the true reason"):
        build(int8, tmp_path)
