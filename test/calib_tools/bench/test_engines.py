# SPDX-License-Identifier: Apache-2.0
"""The bench and the gate of engines, on stand-ins for TensorRT and CUDA that compute the graphs."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from support.stand_in_engines import BACKEND
from support.stand_in_tensorrt import install
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.bench import measuring
from calib_tools.bench.floats import PYTORCH
from calib_tools.bench.pytorch import OnGpu
from calib_tools.bench.table import show_bench
from calib_tools.quantize.judging import chunks_of, judge_bundles
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.policy import load_policy, network_policy
from studies.static_bundle import save_static_bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A float and an INT8 bundle with their engines."""
    folder = tmp_path_factory.mktemp("engines")
    plain = save_tiny_bundle(folder / "float")
    quantized = save_static_bundle(plain, folder / "int8")
    for path in (plain, quantized):
        BACKEND.build(path)
    return plain, quantized


@pytest.fixture(autouse=True)
def trt(monkeypatch):
    return install(lambda name, module: monkeypatch.setitem(sys.modules, name, module))


def test_three_policies_are_measured_in_turn(bundles, monkeypatch, capsys):
    plain, quantized = bundles

    def pytorch(path, threads):
        assert (path, threads) == (plain, 1)
        return load_policy(path, "reference")

    # What compiles is tested where it is; it takes minutes.
    monkeypatch.setattr(measuring, "pytorch_policy", pytorch)
    record = measuring.bench(
        quantized, plain, observations(2), rounds=4, backend=BACKEND.name, resident="sequential"
    )
    assert set(record["latency_ms"]) == {"float", "int8", PYTORCH}
    assert {len(samples) for samples in record["samples_ms"].values()} == {4}
    assert record["kernels"] == {
        "float": "TensorRT fp32",
        "int8": "TensorRT INT8, rest fp32",
        PYTORCH: "float32",
    }
    loading = {name for name, stages in record["stages_ms"].items() if "load" in stages}
    assert loading == {"float", "int8"}  # engines one at a time
    show_bench(record)
    printed = " ".join(capsys.readouterr().out.split())
    assert "TensorRT" in printed and "PyTorch" in printed


def test_engines_one_at_a_time_are_judged_like_both_at_once(bundles):
    plain, quantized = bundles
    seen = observations(8)
    one, both = (
        judge_bundles(plain, quantized, seen, backend=BACKEND.name, resident=resident)
        for resident in ("sequential", "all")
    )
    assert one == both and len(one.stages) == 2


def test_pytorch_on_a_device_computes_the_policy_in_bfloat16(bundles, monkeypatch):
    """On the processor in the place of a GPU, and without the compiler."""
    calls = []

    def not_compiled(function, mode):
        calls.append(mode)
        return function

    monkeypatch.setattr(torch, "compile", not_compiled)
    policy = network_policy(bundles[0], OnGpu("cpu"), Options())
    assert calls == ["reduce-overhead"] * 2 and policy.kernel == "PyTorch bf16 on cpu"
    exact = chunks_of(load_policy(bundles[0], "reference"), observations(3))
    off = np.abs(chunks_of(policy, observations(3)) - exact)
    # 8 bits of mantissa; how they add up depends on the processor's products.
    assert 0 < off.max() < 0.1 * np.abs(exact).max()
