# SPDX-License-Identifier: Apache-2.0
"""The whole check with stand-ins for TensorRT and CUDA: small policy, real commands, real node."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from support.stand_in_engines import BACKEND

from quantvla_ros.bundle.storage import load_manifest, load_tokenizer, save_bundle
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.network import MiniPi05
from studies.jetson_check.__main__ import main

ROOT = Path(__file__).parents[3]
PANDA = ROOT / "policies" / "panda"
SMALL = {
    "width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_width": 8, "mlp": 64,
    "expert_width": 32, "expert_mlp": 64, "vision_width": 16, "vision_heads": 2,
    "stem_channels": [8, 8],
}  # fmt: skip


def save_small_panda(path):
    """A policy for the bundled one's robot that hardly moves, so that INT8 passes its gate."""
    manifest = load_manifest(PANDA)
    architecture = {**manifest.architecture, **SMALL}
    torch.manual_seed(0)
    weights = MiniPi05(MiniPi05Config(**architecture)).state_dict()
    small = {name: (tensor * 0.3).half() for name, tensor in weights.items()}
    made = manifest.model_copy(update={"architecture": architecture})
    save_bundle(path, made, small, load_tokenizer(PANDA, manifest).json)


@pytest.mark.slow
def test_a_machine_with_engines_fills_every_step_and_goes_on_where_it_was(tmp_path, monkeypatch):
    places = [str(ROOT / "test"), os.environ.get("PYTHONPATH", "")]  # entry points of stand-ins
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
    save_small_panda(tmp_path / "work" / "float")
    words = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "record.json")]
    words += ["--backend", BACKEND.name, "--builders", "onnx", "--seconds", "2", "--rounds", "10"]
    main(words)
    record = json.loads((tmp_path / "record.json").read_text())
    steps = record["steps"]
    doctor = steps.pop("doctor")  # it finds ills here: entry points of tests that are broken
    assert doctor["result"]["checks"]
    assert {name: step["status"] for name, step in steps.items()} == dict.fromkeys(steps, "done")
    built = steps["build with onnx"]["result"]
    assert built["machine"]["gpu"] == "Orin" and built["plans"]["step"]["int8_linears"]
    gate = steps[f"gate on {BACKEND.name}"]["result"]
    assert gate["backend"] == BACKEND.name and {s["name"] for s in gate["stages"]}
    bench = steps[f"bench on {BACKEND.name}"]["result"]
    assert {"float", "int8"} <= set(bench["latency_ms"])
    if not torch.cuda.is_available():
        assert "sees no GPU" in bench["not_measured"]["PyTorch"]
    for backend in (BACKEND.name, "cpu"):
        assert steps[f"node on {backend}"]["result"]["rows"][0]["published"] > 10
    main(words)  # nothing is left to do but to ask the doctor again
    again = json.loads((tmp_path / "record.json").read_text())["steps"]
    again.pop("doctor")
    assert again == steps
