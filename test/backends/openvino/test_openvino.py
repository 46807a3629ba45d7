# SPDX-License-Identifier: Apache-2.0
"""The backend `openvino` computes the policy, exactly where it computes integers, or refuses."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from support.graph_policies import FAMILIES, graph_policy
from support.tiny_policy import observations, save_tiny_bundle

pytest.importorskip("openvino", reason="optional: pip install -r requirements/openvino.txt")
pytest.importorskip("onnxscript", reason="optional: pip install -r requirements/openvino.txt")

from calib_tools.quantize.judging import chunks_of
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.openvino import compiling, library, proof
from quantvla_ros.backends.openvino.backend import BACKEND
from quantvla_ros.backends.openvino.loading import load_runner
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import has_vnni
from quantvla_ros.quantization.schemes import Precision
from studies.static_bundle import save_static_bundle

exact_here = pytest.mark.skipif(
    platform.machine() == "x86_64" and not has_vnni(), reason="INT8 is refused without VNNI"
)


families = [
    one if one == "reach" else pytest.param(one, marks=pytest.mark.slow) for one in FAMILIES
]
"""Exporting takes the time here, and the graphs of all families are tested where they are made."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("family", families)
def test_float_chunks_are_those_of_the_network(family):
    policy = graph_policy(family)
    off = policy.chunks(load_runner(policy.bundle, policy.network, 1)) - policy.chunks()
    assert off.abs().max() < 1e-4 * policy.chunks().abs().max()


@exact_here
@pytest.mark.parametrize("family", families)
def test_int8_chunks_are_as_close_to_float_as_the_references(family):
    policy, twin = graph_policy(family), graph_policy(family)
    policy.quantize()
    exact, reference = twin.chunks(), policy.chunks()
    runner = load_runner(policy.bundle, policy.network, 1)
    error = (policy.chunks(runner) - exact).abs().mean()
    assert 0 < error <= 1.3 * (reference - exact).abs().mean()
    assert runner.integer_layers > 10 and "INT8" in runner.kernel


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    plain = save_tiny_bundle(folder / "float")
    return plain, save_static_bundle(plain, folder / "int8", rotation=8)


@exact_here
def test_what_was_compiled_once_is_not_exported_again(bundles, monkeypatch):
    first = load_policy(bundles[1], "openvino")
    monkeypatch.setattr(compiling, "export_graphs", None)
    again = load_policy(bundles[1], "openvino", threads=2)
    seen = observations(2)
    assert np.array_equal(chunks_of(first, seen), chunks_of(again, seen))
    with pytest.raises(TypeError, match="NoneType"):  # of another network it is
        load_policy(bundles[0], "openvino")


LAYERS = """
import torch
from quantvla_ros.backends.openvino.proof import prove
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision
torch.manual_seed(0)
codes = round_nearest(torch.randn(96, 256), 8, None)
layer = QuantizedLinear.from_codes(codes, None, Precision(8, None, "static"), 8, torch.tensor(0.1))
try:
    prove({"some.layer": layer})
except BackendError as error:
    print("refused:", error)
else:
    print("exact")
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's variable is of x86")
def test_integers_that_saturate_are_refused(tmp_path):
    """In a process that takes this processor for one without VNNI."""
    found = {}
    for isa in ("AVX2", "DEFAULT"):
        env = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
        command = [sys.executable, "-c", LAYERS]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        found[isa] = done.stdout
    assert "refused: OpenVINO does not multiply the integers of layer 'some.layer'" in found["AVX2"]
    assert found["DEFAULT"].strip() == "exact" or not has_vnni()


@pytest.mark.parametrize("where", [0, 700])
def test_the_proof_sees_one_wrong_product(where):
    codes = np.random.default_rng(0).integers(-127, 128, (8, 1024)).astype(np.int8)
    grid, scale = proof.extremes(codes), np.full(8, 0.01, np.float32)
    assert grid.min() == -128 and grid.max() == 127
    found = (grid.astype(np.float64) @ codes.astype(np.float64).T * scale).astype(np.float32)
    assert proof.is_exact(found, grid, codes, scale)
    wrong = codes.copy()
    wrong[3, where] += 1 if wrong[3, where] < 0 else -1
    assert not proof.is_exact(found, grid, wrong, scale)


def test_nan_is_refused_and_named():
    policy = graph_policy("reach")
    runner = load_runner(policy.bundle, policy.network, 1)
    broken = {**policy.inputs[0], "state": policy.inputs[0]["state"] * float("nan")}
    with pytest.raises(BackendError, match="was given NaN or inf in"):
        runner.encode(broken)
    context = runner.encode(policy.inputs[0])
    with pytest.raises(BackendError, match="'x_t'"):
        runner.velocity(policy.noise() * float("inf"), 1.0, context)


@pytest.mark.parametrize(
    ("precision", "words"),
    [(Precision(8), "ranges found at run time"), (Precision(4, None, "static"), "of 4 bits")],
)
def test_other_bundles_are_refused_with_the_command_that_makes_the_right_one(
    bundles, tmp_path, precision, words
):
    wrong = save_static_bundle(bundles[0], tmp_path / "wrong", precision=precision)
    with pytest.raises(BackendError, match=words) as refusal:
        load_policy(wrong, "openvino")
    assert "`quantvla quantize --target openvino` makes the right bundle" in str(refusal.value)
    assert words in str(BACKEND.supports(precision))


def test_missing_packages_are_named_with_what_installs_them(monkeypatch):
    monkeypatch.setattr(library, "_version", lambda name: "" if name == "onnxscript" else "1")
    with pytest.raises(BackendError, match=r"needs onnxscript.*requirements/openvino\.txt"):
        BACKEND.check(Options())
    (fact,) = BACKEND.facts()
    assert fact.status == "note" and "onnxscript" in fact.text
    assert fact.remedy == "pip install -r requirements/openvino.txt"
