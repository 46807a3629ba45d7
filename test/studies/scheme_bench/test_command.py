# SPDX-License-Identifier: Apache-2.0
"""A scheme bench on a random network that is tiny; compiling is left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError, QuantVLAError
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.quantization.layouts import select_layers
from studies.documents import tables as document_tables
from studies.random_policy import (
    SMOLVLA_SIZED,
    TINY,
    TOKENS,
    random_observations,
    save_random_bundle,
)
from studies.scheme_bench import bench as measuring
from studies.scheme_bench import command as module
from studies.scheme_bench import table as bench_table
from studies.study import read_study


def run(out, schemes=("w4a8",), rounding="gptq"):
    return module.bench_schemes(None, None, schemes, rounding, 3, 1, out)


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "save_random_bundle", lambda path: save_random_bundle(path, TINY))
        patch.setattr(module, "random_observations", lambda n: random_observations(n, 32))
        patch.setattr(
            measuring,
            "load_policy",
            lambda path, threads: load_policy(path, "cpu", threads),
        )
        patch.setattr(measuring, "other_floats", lambda path, backend, threads: ({}, {}))
        yield patch


@pytest.fixture(scope="module")
def record(tmp_path_factory, small):
    out = tmp_path_factory.mktemp("bench") / "out"
    return out, run(out)


def test_the_large_network_has_smolvlas_shapes():
    with torch.device("meta"):
        network = MiniPi05(SMOLVLA_SIZED)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert 430e6 < count < 470e6
    assert len(select_layers(layer_roles(network), "llm+dit_mlp")) == 112 + 48
    context = 3 * (SMOLVLA_SIZED.image_size // 16) ** 2 + 1 + TOKENS
    assert context == 241
    calibration = module.RANDOM_SAMPLES - module._RANDOM_HELD_OUT
    fit = calibration - -(-calibration // 4)
    assert fit * context >= SMOLVLA_SIZED.mlp  # GPTQ sees enough tokens


def test_the_record_tells_how_bundles_were_made_and_how_fast_they_are(record):
    out, found = record
    assert read_study(out / module.RECORD, module.KIND) == json.loads(json.dumps(found))
    assert list(found["policies"]) == ["float", "w4a8"]
    made = found["quantization"]["w4a8"]
    assert made["rounding"] == "gptq" and made["seconds"] > 0 and made["cpu_seconds"] > 0
    assert made["peak_bytes"] > 50e6
    assert found["network"]["random"] and found["network"]["float_bytes"] > 1e5
    head, rows = bench_table.SPEED_HEAD, bench_table.speed_rows(found)
    assert all(len(row) == len(head) for row in rows)
    w4a8 = dict(zip(head, rows[1], strict=True))
    assert float(w4a8["less than fp16"].split()[0]) > 60
    text = document_tables.markdown(out / module.RECORD)
    assert "A random network of SmolVLA's size" in text and "| w4a8 | gptq |" in text


def test_bundles_that_are_there_are_not_made_again(record, small, monkeypatch, tmp_path):
    out, found = record
    monkeypatch.setattr(module, "_make", None)  # nobody may quantize
    again = run(Path(shutil.copytree(out, tmp_path / "out")))
    assert again["quantization"] == found["quantization"]


def test_bad_input_is_refused(tmp_path, record):
    _out, _ = record
    with pytest.raises(QuantVLAError, match="or neither for a random network"):
        module.bench_schemes(tmp_path, None, [], "gptq", 3, 1, tmp_path / "x")
    with pytest.raises(QuantVLAError, match="unknown scheme 'w5a5'"):
        run(tmp_path / "x", ["w5a5"])
    with pytest.raises(QuantVLAError, match="unknown rounding"):
        run(tmp_path / "x", rounding="best")
    assert not (tmp_path / "x").exists()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="was not begun by"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("std", "words"), [(100.0, "most joints stay near zero"), (0.01, "standard deviations")]
)
def test_a_buffer_of_another_robot_is_refused(tmp_path, tiny_bundle, tiny_buffer, std, words):
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "float"))
    manifest = load_manifest(bundle)
    norm = manifest.normalization.model_copy(update={"state_std": [std] * 3})
    write_manifest(bundle, manifest.model_copy(update={"normalization": norm}))
    with pytest.raises(CalibrationBufferError, match=words):
        module.bench_schemes(bundle, tiny_buffer, ["w8a8"], "rtn", 3, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_quantizing_process_refuses_is_one_sentence(tmp_path, small, monkeypatch):
    def save_damaged(path):
        save_random_bundle(path, TINY)
        weights = path / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(module, "save_random_bundle", save_damaged)
    with pytest.raises(QuantVLAError, match=r"weights\.safetensors"):
        run(tmp_path / "out", ["w8a8"], "rtn")
