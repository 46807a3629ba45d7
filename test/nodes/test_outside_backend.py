# SPDX-License-Identifier: Apache-2.0
"""A backend that another package registers, through quantize, build, gate, bench and the node."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.engine_backend import BACKEND, MACHINE_VARIABLE
from support.fake_robot import CAMERAS, JOINTS
from support.policy_graph import HORIZON, PolicyProcess, active_policy, manifest
from support.stand_in_engines import BACKEND as ENGINES
from support.stand_in_tensorrt import install
from support.tiny_policy import CONFIG, SIZE
from support.waiting import wait_until

from calib_tools.bench import measuring
from calib_tools.build.command import build
from calib_tools.quantize.judging import judge_bundles
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import load_manifest, save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.robot.observation import Observation

RECIPE = Recipe(target="engine", rounding="rtn", corrections=(), float_share=0.0)


def observations(count: int) -> list[Observation]:
    """Of cameras that are larger than the policy's pictures."""
    rng = np.random.default_rng(0)
    return [
        Observation(
            {name: rng.integers(0, 256, (48, 64, 3), np.uint8) for name in CAMERAS},
            rng.normal(0, 0.5, len(JOINTS)).astype(np.float32),
            "swing",
            float(index),
        )
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> tuple[Path, Path]:
    """A random policy of the fake robot, float and quantized for the backend."""
    folder, plain = tmp_path_factory.mktemp("outside"), manifest()
    size = len(JOINTS) + 3  # the tip's position follows the joints
    config = CONFIG.model_copy(update={"horizon": HORIZON, "state_width": size})
    slots = tuple(replace(slot, height=SIZE, width=SIZE) for slot in plain.interface.cameras)
    small = [[0.01] * len(JOINTS)] * HORIZON
    made = manifest(
        architecture=config.model_dump(mode="json"),
        interface=replace(plain.interface, cameras=slots),
        normalization=plain.normalization.model_copy(update={"action_std": small}),
    )
    torch.manual_seed(0)
    weights = {name: tensor.half() for name, tensor in MiniPi05(config).state_dict().items()}
    save_bundle(folder / "float", made, weights, build_word_tokenizer(["swing", "left"]))
    samples = observations(24)
    quantize_bundle(
        folder / "float",
        Samples(samples[:16], samples[16:], "0" * 64),
        RECIPE,
        folder / "int8",
        False,
        None,
        lambda text, share: None,
    )
    # A random policy passes no gate: let it, what is tested is who may run it then.
    written = load_manifest(folder / "int8")
    passed = written.gate.model_copy(update={"passed": True})
    write_manifest(folder / "int8", written.model_copy(update={"gate": passed}))
    build(folder / "int8", "engine")
    return folder / "float", folder / "int8"


def test_quantize_asks_the_target_what_it_computes():
    with pytest.raises(QuantVLAError, match=r"unknown backend 'none'; known here: .*cpu.*engine"):
        replace(RECIPE, target="none").checked()
    with pytest.raises(QuantVLAError, match="'engine' cannot run this: weights of 4 bits"):
        replace(RECIPE, scheme="w4a8").checked()


def test_the_bundle_is_the_targets_with_its_engine_beside(bundles):
    made = load_manifest(bundles[1], check_files=True)
    assert made.quantization.activation_bits == 8
    rounded = [r for r in made.quantization.layers if r.precision != "float"]
    assert {record.activation for record in rounded} == {"static"}  # nobody asked for them
    assert (made.gate.backend, made.gate.target) == ("engine", "machine one")
    assert made.gate.kernel == "engine int8"
    assert (BACKEND.engine_folder(bundles[1]) / "engine.json").exists()


def test_gate_and_bench_run_on_it(bundles, monkeypatch):
    """The other runtimes that bench times as well have tests of their own."""
    for others in ("other_floats", "other_int8"):
        monkeypatch.setattr(measuring, others, lambda *_: ({}, {}))
    judged = judge_bundles(*bundles, observations(8), backend="engine")
    assert (judged.backend, judged.kernel) == ("engine", "engine int8")
    record = measuring.bench(bundles[1], bundles[0], observations(2), rounds=3, backend="engine")
    assert (record["backend"], record["kernel"]) == ("engine", "engine int8")
    assert record["integer_layers"] > 0


def test_the_node_runs_it(robot, bundles, tmp_path):
    with active_policy(robot, bundles[1], tmp_path, "backend:=engine") as policy:
        wait_until(lambda: policy.count("inference", "chunks") > 2, 30, "chunks")
        assert policy.client.diagnostics("bundle")[1]["kernel"] == "engine int8"
        policy.wait_for("DRY_RUN")


def test_the_node_refuses_it_on_another_machine(robot, bundles, tmp_path, monkeypatch):
    monkeypatch.setenv(MACHINE_VARIABLE, "two")
    policy = PolicyProcess(robot, bundles[1], tmp_path, "backend:=engine")
    try:
        with pytest.raises(
            QuantVLAError, match=r"FINGERPRINT_MISMATCH: .*no engine for machine two"
        ):
            policy.client.configure()
        build(bundles[1], "engine")
        words = r"FINGERPRINT_MISMATCH: .*'machine one'; here runs .* of 'engine' on 'machine two'"
        with pytest.raises(QuantVLAError, match=words):
            policy.client.configure()
    finally:
        policy.close()


def test_the_node_runs_engines_and_never_builds_them(robot, bundles, tmp_path, monkeypatch):
    plain, quantized = bundles
    made = shutil.copytree(quantized, tmp_path / "int8", ignore=shutil.ignore_patterns("engines"))
    name = ENGINES.name
    policy = PolicyProcess(robot, made, tmp_path, f"backend:={name}")
    try:
        words = r"FINGERPRINT_MISMATCH: .*no engines for TensorRT .*; run `quantvla build .*int8`"
        with pytest.raises(QuantVLAError, match=words):
            policy.client.configure()
        assert not (made / "engines").exists()
        ENGINES.build(made)
        install(lambda key, module: monkeypatch.setitem(sys.modules, key, module))
        judged = judge_bundles(plain, made, observations(8), backend=name)
        assert (judged.backend, judged.target) == (name, ENGINES.target())
        assert [(stage.name, stage.error <= stage.limit) for stage in judged.stages] == [
            ("context", True), ("step", True)
        ]  # fmt: skip
        passed = judged.model_copy(update={"passed": True})  # a random policy passes no gate
        write_manifest(made, load_manifest(made).model_copy(update={"gate": passed}))
        policy.activate()
        wait_until(lambda: policy.count("inference", "chunks") > 2, 30, "chunks")
        assert policy.client.diagnostics("bundle")[1]["kernel"] == "TensorRT INT8, rest fp32"
    finally:
        policy.close()
