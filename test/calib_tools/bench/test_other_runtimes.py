# SPDX-License-Identifier: Apache-2.0
"""The float policy by every float runtime that is installed."""

import numpy as np
import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.bench import other_runtimes
from calib_tools.bench.floats import fastest_float, fastest_told
from calib_tools.bench.onnx_runtime import OnnxRuntime
from calib_tools.quantize.judging import chunks_of
from quantvla_ros.backends.openvino import library
from quantvla_ros.backends.policy import load_policy


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("floats") / "float")


def test_every_installed_runtime_computes_the_float_policy(path):
    for needed in ("openvino", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason="optional: pip install -r requirements/peers.txt")
    found, left_out = other_runtimes.other_floats(path, "cpu", 1)
    assert {"float_openvino", "float_onnxruntime"} <= set(found) and not left_out
    seen = observations(2)
    exact = chunks_of(load_policy(path, "reference"), seen)
    for policy in found.values():
        assert policy.integer_layers == 0
        assert np.abs(chunks_of(policy, seen) - exact).max() < 1e-4 * np.abs(exact).max()


def test_a_runtime_that_is_not_installed_is_left_out_with_the_way_to_have_it(path, monkeypatch):
    monkeypatch.setattr(library, "_version", lambda name: "")
    monkeypatch.setattr(other_runtimes, "OnnxRuntime", _Missing)
    found, left_out = other_runtimes.other_floats(path, "cpu", 1)
    assert not found and set(left_out) == {"openvino", "onnxruntime"}
    assert "pip install -r requirements/openvino.txt" in left_out["openvino"]
    assert "pip install -r requirements/peers.txt" in left_out["onnxruntime"]


class _Missing(OnnxRuntime):
    needed = ("a-package-that-nobody-has",)


def test_the_control_is_the_fastest_float():
    latency = {"float": {"p50": 9.0}, "float_x": {"p50": 7.0}, "int8": {"p50": 5.0}}
    assert fastest_float(latency) == "float_x"
    record = {"fastest_float": "float_x", "kernels": {"float_x": "X fp32", "int8": "vnni"}}
    assert fastest_told(record) == "X fp32"
    assert fastest_told({**record, "fastest_float": "float"}) == "of this package"
