# SPDX-License-Identifier: Apache-2.0
"""What `build` refuses in one sentence, before any work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.engines import ORIN, write_engines
from support.tiny_policy import save_tiny_bundle

from quantvla_ros.backends.base import BuildOptions
from quantvla_ros.backends.tensorrt import engines, library, memory
from quantvla_ros.backends.tensorrt.builders import choose_builder, onnx, torch_tensorrt
from quantvla_ros.backends.tensorrt.engines import build_engines
from quantvla_ros.errors import BackendError, OutputExistsError
from quantvla_ros.quantization.schemes import Precision
from studies.static_bundle import save_static_bundle

ROOT = Path(__file__).parents[3]
RIGHT = "`quantvla quantize --target tensorrt` makes the right bundle"


def build(bundle, machine=ORIN, builder="auto"):
    folder = bundle / "engines" / "tensorrt-test"
    return build_engines(bundle, folder, machine, BuildOptions(builder))


@pytest.fixture
def bundle(tmp_path):
    return save_tiny_bundle(tmp_path / "float")


@pytest.mark.parametrize(
    ("precision", "bits", "words"),
    [
        (Precision(8), 8, "ranges found at run time"),
        (Precision(4, activation="static"), 8, "weights of 4 bits"),
        (Precision(4, 16, "static"), 8, "weights of 4 bits"),
        (Precision(8, activation="float"), 8, "activations that stay float"),
        (Precision(8, activation="static"), 7, "activations of 7 bits"),
    ],
)
def test_integers_that_stock_tensorrt_does_not_multiply(bundle, tmp_path, precision, bits, words):
    made = save_static_bundle(bundle, tmp_path / "int8", precision=precision, activation_bits=bits)
    with pytest.raises(BackendError, match=f"{words}.*{RIGHT}"):
        build(made)
    assert not (made / "engines").exists()


@pytest.mark.parametrize(
    ("machine", "builder", "words"),
    [
        (ORIN.model_copy(update={"gpu": None, "sm": None}), "auto", "no NVIDIA GPU was found"),
        (ORIN, "nvcc", "unknown builder 'nvcc'; known: auto, torch_tensorrt, onnx"),
    ],
)
def test_machines_and_builders_that_will_not_do(bundle, machine, builder, words):
    with pytest.raises(BackendError, match=words):
        build(bundle, machine, builder)
    assert not (bundle / "engines").exists()


def test_a_machine_without_tensorrt(bundle, monkeypatch):
    monkeypatch.setattr(library, "_module", lambda: None)
    with pytest.raises(BackendError, match="TensorRT's Python module is not installed; on a Jet"):
        build(bundle, ORIN.model_copy(update={"tensorrt": None}))


def test_a_tensorrt_that_is_too_old():
    library.check_version("10.3.0")
    with pytest.raises(BackendError, match=r"TensorRT 8\.6\.2 is too old .* needs 10\.3"):
        library.check_version("8.6.2")
    with pytest.raises(BackendError, match=r"10\.3\.0 is too old for 'context', which needs 10\.8"):
        library.check_version("10.3.0", (10, 8), "'context'")


def test_too_little_memory_is_told_before_the_build_with_what_can_be_done(bundle, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 900e6)
    words = (
        r"^building 'context' takes about 1\.0 GB more memory and 0\.9 GB are free \(swap does not "
        r"count; its plan has about 0\.\d+ MB, and one of 1\.9 MB took 0\.7 GB\); close the "
        r"desktop .*board of the same kind .*`--resident sequential`$"
    )
    with pytest.raises(BackendError, match=words):
        build(bundle)
    assert not (bundle / "engines").exists()


def test_what_the_building_process_holds_already_is_not_asked_for_twice(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3.1e9)
    memory.check_memory("context", 432e6, int(1.3e9))
    with pytest.raises(BackendError, match=r"about 3\.8 GB more memory and 3\.1 GB are free"):
        memory.check_memory("context", 432e6)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    memory.check_memory("context", 432e6)


def test_memory_is_that_of_the_recorded_builds_and_grows_with_the_part():
    record = json.loads((ROOT / "docs" / "records" / "engine-build.json").read_text())
    plans = [p for b in record["builds"] for p in b["engine"]["plans"].values()]
    rows = sorted((plan["plan_bytes"], plan["memory_bytes"]) for plan in plans)
    np.testing.assert_allclose(memory.MEASURED, rows, rtol=0.03)
    sizes = [0.0, *(size for size, _ in rows), 3 * rows[-1][0]]
    estimates = [memory.build_memory(size) for size in sizes]
    assert estimates == sorted(estimates)
    for size, took in memory.MEASURED:
        assert memory.build_memory(size) >= took
    assert estimates[-1] > 2.5 * (rows[-1][1] - rows[0][1])


def test_engines_that_are_there_are_not_built_again(bundle):
    write_engines(bundle)
    with pytest.raises(OutputExistsError, match=r"already, in .*; give --force to build them"):
        build(bundle)


def test_a_build_that_dies_is_a_sentence():
    assert "want of memory" in engines._last_words(-9)
    assert "by signal SIGSEGV" in engines._last_words(-11)


def test_auto_takes_torch_tensorrt_where_it_imports_and_says_why_not(monkeypatch):
    def cannot():
        raise BackendError("Torch-TensorRT cannot be imported (ImportError: libcudart); do this")

    monkeypatch.setattr(onnx, "version", lambda: "10.16.1")
    monkeypatch.setattr(torch_tensorrt, "version", cannot)
    module, name, _, sentence = choose_builder("auto")
    assert (module, name) == (onnx, "onnx")
    assert sentence == (
        "TensorRT's ONNX parser 10.16.1 builds: "
        "Torch-TensorRT cannot be imported (ImportError: libcudart)"
    )
    with pytest.raises(BackendError, match="libcudart"):
        choose_builder("torch_tensorrt")
    monkeypatch.setattr(torch_tensorrt, "version", lambda: "2.8.0")
    assert choose_builder("auto")[3] == "Torch-TensorRT 2.8.0 builds: it is installed"


def test_an_onnx_file_of_a_newer_opset(tmp_path):
    package = pytest.importorskip("onnx", reason="needs .venv-tensorrt (make test-tensorrt)")
    graph = package.helper.make_graph([], "empty", [], [])
    newer = package.helper.make_model(graph, opset_imports=[package.helper.make_opsetid("", 23)])
    package.save(newer, str(tmp_path / "graph.onnx"))
    with pytest.raises(BackendError, match=r"of ONNX opset 23 .*parser takes 20"):
        onnx.check_opset(tmp_path / "graph.onnx")
