# SPDX-License-Identifier: Apache-2.0
"""The runtime on stand-ins for TensorRT and CUDA that compute the real graphs at real addresses."""

from __future__ import annotations

import dataclasses
import gc
import logging
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.stand_in_engines import BACKEND, MACHINE_VARIABLE
from support.stand_in_tensorrt import install
from support.tiny_policy import STEPS, observations, save_tiny_bundle

from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.backends.tensorrt.cuda import CudaError
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.quantization.network import load_network
from quantvla_ros.robot.action_prefix import ActionPrefix
from studies.static_bundle import save_static_bundle

NAME = BACKEND.name


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """An INT8 bundle with its engines."""
    folder = tmp_path_factory.mktemp("engines")
    bundle = save_static_bundle(save_tiny_bundle(folder / "float"), folder / "int8")
    BACKEND.build(bundle)
    return bundle


@pytest.fixture
def trt(monkeypatch):
    """The stand-in for TensorRT, fresh."""
    return install(lambda name, module: monkeypatch.setitem(sys.modules, name, module))


def chunks(policy, count=3, prefix=None):
    return [
        policy.infer(observation, draw_noise(policy.manifest, 0, i), prefix).actions
        for i, observation in enumerate(observations(count))
    ]


@pytest.fixture(scope="module")
def wanted(path):
    """Chunks of the exported graphs, called one after the other without any runtime."""
    policy = load_policy(path, "reference")
    bundle = load_bundle(path)
    network = load_network(bundle)
    graphs = graphs_of(bundle, network)
    kinds = dict.fromkeys(("vision", "language", "expert"), torch.float32)
    run = {name: p.module() for name, p in export_graphs(bundle, network, kinds).items()}
    found = []
    for i, observation in enumerate(observations(3)):
        made = graphs.host(policy.inputs(observation))
        context = run["context"](*(made.context[name] for name in graphs.context.inputs))
        x = torch.from_numpy(draw_noise(bundle.manifest, 0, i))[None]
        for step in range(STEPS):
            time = torch.tensor([1.0 - step / STEPS])
            inputs = {"x_t": x, **graphs.time(time), **made.step, **context}
            x = x - run["step"](*(inputs[n] for n in graphs.step.inputs))["velocity"] / STEPS
        found.append(policy.processing.actions(x[0].numpy(), observation))
    return found


@pytest.mark.parametrize(("old", "resident"), [(False, "all"), (True, "sequential")])
def test_chunks_are_the_graphs_own(path, wanted, monkeypatch, old, resident):
    trt = install(lambda name, module: monkeypatch.setitem(sys.modules, name, module), old)
    policy = load_policy(path, NAME, resident=resident)
    np.testing.assert_array_equal(chunks(policy), wanted)
    assert policy.kernel == "TensorRT INT8, rest fp32" and policy.integer_layers > 0
    assert 0 < policy.layer_bytes(["language_model.layers.0.mlp.up_proj"]) < policy.weight_bytes()
    assert trt.runs


def test_real_time_chunking_is_outside_the_engines(path, trt):
    policy, reference = load_policy(path, NAME), load_policy(path, "reference")
    prefix = ActionPrefix(np.full((4, 3), 0.2, np.float32), 2)
    got, wanted = chunks(policy, 1, prefix)[0], chunks(reference, 1, prefix)[0]
    np.testing.assert_allclose(got[:2], wanted[:2], atol=1e-5)  # the committed rows
    assert np.abs(got - chunks(policy, 1)[0]).max() > 1e-3


def test_the_step_reads_what_the_context_wrote_where_it_is(path, trt):
    chunks(load_policy(path, NAME), 1)
    context = next(run for run in trt.runs if run[0] == "context")
    steps = [run for run in trt.runs if run[0] == "step"]
    shared = [name for name in context[1] if name in steps[0][1]]
    assert len(shared) == 4  # keys and values of two layers
    for step in steps:
        assert all(step[1][name] == context[1][name] for name in shared)
    # One memory for what is intermediate in both, each step's constants in memory of their own.
    assert {run[2] for run in trt.runs} == {(context[2][0], 1000)}
    assert len({step[1]["modulation"] for step in steps}) == STEPS


def test_work_is_recorded_once_and_replayed(path, trt):
    policy, cuda = load_policy(path, NAME), trt.cuda
    chunks(policy, 1)
    recorded = [run[0] for run in trt.runs if run[3]]
    assert recorded == ["context", *["step"] * STEPS]
    cuda.calls.clear()
    chunks(policy, 2)
    assert cuda.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"] * 2 * (1 + STEPS)


def test_an_engine_that_cannot_be_recorded_runs_all_the_same(path, wanted, trt, caplog):
    trt.refuses = {"step"}
    policy = load_policy(path, NAME)
    with caplog.at_level(logging.WARNING, "quantvla_ros"):
        np.testing.assert_array_equal(chunks(policy), wanted)
    assert sum("without a CUDA graph" in r.message for r in caplog.records) == STEPS


def test_one_engine_at_a_time_says_what_loading_took(path, trt):
    policy = load_policy(path, NAME, resident="sequential")
    trt.events.clear()
    observation, noise = observations(1)[0], draw_noise(policy.manifest, 0, 0)
    chunk = policy.infer(observation, noise)
    load, drop = ["load engine", "load context"], ["drop context", "drop engine"]
    assert trt.events == [*load, *drop, *load]
    assert chunk.timings_ms["load"] > 0
    assert min(chunk.timings_ms.values()) >= 0 and min(chunk.steps_ms) >= 0
    assert "load" not in load_policy(path, NAME).infer(observation, noise).timings_ms
    with pytest.raises(BackendError, match="'reference' cannot run with `resident` sequential"):
        load_policy(path, "reference", resident="sequential")


def test_everything_is_given_back(path, trt):
    policy = load_policy(path, NAME)
    chunks(policy, 1)
    assert trt.cuda.held() == {
        "streams": 1, "graphs": 1 + STEPS, "device": 6 + STEPS, "pinned": 5 + STEPS
    }  # fmt: skip
    policy.runner.close()
    assert trt.cuda.held() == {} and trt.events.count("drop engine") == 2
    policy.runner.close()
    other = load_policy(path, NAME)
    assert trt.cuda.held()
    del other
    gc.collect()
    assert trt.cuda.held() == {}


@pytest.mark.parametrize(
    ("name", "value"), [("key_0", np.nan), ("value_1", -np.inf), ("velocity", np.inf)]
)
def test_numbers_that_are_not_finite_are_an_error(path, trt, name, value):
    trt.damage[name] = value
    policy = load_policy(path, NAME)
    with pytest.raises(BackendError, match=rf"the engines put out NaN or inf in .*'{name}'"):
        chunks(policy, 1)


def test_inputs_that_are_not_finite_are_an_error(path, trt):
    policy = load_policy(path, NAME)
    inputs = policy.inputs(observations(1)[0])
    inputs["state"][0, 1] = np.nan
    with pytest.raises(BackendError, match="NaN or inf in 'state'"):
        policy.runner.encode(inputs)


CALLS = {
    "cudaSetDevice": "cudaErrorInsufficientDriver",
    "cudaStreamCreateWithFlags": "cudaErrorDevicesUnavailable",
    "cudaMalloc": "cudaErrorMemoryAllocation",
    "cudaMallocHost": "cudaErrorMemoryAllocation",
    "cudaMemcpyAsync": "cudaErrorInvalidValue",
    "cudaStreamSynchronize": "cudaErrorIllegalAddress",
    "cudaGraphLaunch": "cudaErrorLaunchFailure",
}


FAILING = (0, 1, 2, 3, 5, 8, 13, 21, 34)
"""So many calls work before one fails; a run of two chunks has no more."""


def failed_run(path) -> str:
    """What a run said that failed; empty if it did not."""
    try:
        chunks(load_policy(path, NAME), 2)
    except BackendError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("call", "code"), CALLS.items())
def test_each_call_of_cuda_that_fails_is_named_and_nothing_is_kept(path, trt, call, code):
    cuda, words = trt.cuda, rf"CUDA's {call} failed with {code} \(words on {code}\); \w.*"
    for works in FAILING:
        cuda.failures, cuda.spare[call] = {call: code}, works
        said = failed_run(path)
        cuda.failures = {}
        gc.collect()
        assert cuda.held() == {}, works
        if not said:
            break
        assert re.fullmatch(words, said)
    assert works > 0


@pytest.mark.parametrize(
    "call", ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"]
)
def test_without_graphs_the_chunks_are_the_same(path, trt, caplog, call):
    wanted = chunks(load_policy(path, NAME))
    trt.cuda.failures = {call: "cudaErrorStreamCaptureUnsupported"}
    np.testing.assert_array_equal(chunks(load_policy(path, NAME)), wanted)
    assert "cudaErrorStreamCaptureUnsupported" in caplog.text


def test_what_to_do_depends_on_the_code():
    def said(code):
        return str(CudaError("cudaMalloc", code, "words"))

    assert "`resident` sequential" in said("cudaErrorMemoryAllocation")
    assert "nvidia-smi" in said("cudaErrorNoDevice")
    assert "`quantvla build --force`" in said("cudaErrorLaunchFailure")
    assert "switch the machine off and on" in said("cudaErrorECCUncorrectable")
    assert "report it" in said("cudaErrorUnknown")


def test_without_cuda_bindings_the_sentence_says_what_to_install(path, trt, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(BackendError, match=r"cuda-bindings cannot be loaded .*pip install"):
        load_policy(path, NAME)


def test_a_plan_that_is_cut_or_of_another_tensorrt_is_refused(path, trt, tmp_path):
    copy = shutil.copytree(path, tmp_path / "int8")
    plan = BACKEND.engine_folder(copy) / "step.plan"
    whole = plan.read_bytes()
    plan.write_bytes(whole[:-10])
    with pytest.raises(BackendError, match=r"step.plan is not the engine .*`quantvla build .*int8"):
        load_policy(copy, NAME)
    plan.unlink()
    with pytest.raises(BackendError, match=r"not complete; run `quantvla build"):
        load_policy(copy, NAME)
    plan.write_bytes(whole)
    trt.Runtime.deserialize_cuda_engine = lambda self, reader: None
    with pytest.raises(BackendError, match="TensorRT does not load the engine 'context'"):
        load_policy(copy, NAME)
    assert trt.cuda.held() == {}


def test_engines_of_another_bundle_or_machine_are_refused(path, trt, tmp_path, monkeypatch):
    other = save_tiny_bundle(tmp_path / "other", seed=1)
    shutil.copytree(path / "engines", other / "engines")
    with pytest.raises(BackendError, match=r"built of another bundle; run `quantvla build"):
        load_policy(other, NAME)
    monkeypatch.setenv(MACHINE_VARIABLE, "Thor")
    words = r"no engines for TensorRT 10.3.0, Thor .*only for .*Orin.*; run `quantvla build"
    with pytest.raises(BackendError, match=words):
        load_policy(path, NAME)


def test_engines_of_other_graphs_are_refused(path, trt, monkeypatch):
    from quantvla_ros.backends.tensorrt import loading

    def other(bundle, network):
        graphs = graphs_of(bundle, network)
        context = dataclasses.replace(graphs.context, inputs=("images", "state"))
        return dataclasses.replace(graphs, context=context)

    monkeypatch.setattr(loading, "graphs_of", other)
    with pytest.raises(BackendError, match=r"other graphs than this version .*build them again"):
        load_policy(path, NAME)
    assert trt.cuda.held() == {}
