# SPDX-License-Identifier: Apache-2.0
"""The check's bookkeeping with steps that stand in for the real ones."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest

from calib_tools.buffer.store import load_buffer
from studies.jetson_check import steps as steps_module
from studies.jetson_check.running import copy_parts, run_steps, without_names
from studies.jetson_check.steps import Step, copied, steps
from studies.jetson_check.table import HEAD, table

ROOT = Path(__file__).parents[3]


def python(name, code, result=None):
    return Step(name, ("-c", code), result)


def test_a_step_that_fails_is_kept_with_its_sentence_and_the_others_go_on(tmp_path):
    chain = [
        python("good", "print('{\"a\": 1}')"),
        python("bad", "import sys; sys.exit('quantvla: no GPU was found here')"),
        python("judged", "print('{\"passed\": false}'); raise SystemExit(1)"),
        python("file", "open('f.json', 'w').write('[1]')", "f.json"),
    ]
    found = run_steps(chain, tmp_path, lambda text: None)
    assert [step["status"] for step in found.values()] == ["done", "failed", "failed", "done"]
    assert found["good"]["result"] == {"a": 1}
    assert found["bad"]["sentence"] == "quantvla: no GPU was found here"
    assert found["judged"]["result"] == {"passed": False}
    assert found["file"]["result"] == [1]


def test_what_is_done_is_not_done_again_and_what_failed_is(tmp_path):
    count = "import pathlib; p = pathlib.Path('runs'); p.write_text(p.read_text() + 'x')"
    (tmp_path / "runs").write_text("")
    chain = [python("good", count), python("bad", f"{count}; raise SystemExit(1)")]
    for _ in range(2):
        run_steps(chain, tmp_path, lambda text: None)
    assert (tmp_path / "runs").read_text() == "xxx"
    run_steps([python("good", f"{count}; 1")], tmp_path, lambda text: None)
    assert (tmp_path / "runs").read_text() == "xxxx"  # another command


def test_a_record_names_neither_machine_nor_user_nor_their_folders(tmp_path):
    texts = [socket.gethostname(), getpass.getuser(), str(Path.home() / "x"), str(tmp_path), "8.7"]
    found = without_names({"a": [f"in {text}." for text in texts]}, tmp_path)
    written = json.dumps(found)
    assert "in 8.7." in written
    for text in texts[2:4]:
        assert text not in written
    for name in texts[:2]:
        assert f"in {name}." not in written


def test_the_doctor_does_not_tell_of_the_users_set_up(tmp_path):
    checks = [{"name": name, "text": "t"} for name in ("cache", "domain", "GPU")]
    code = f"print({json.dumps(json.dumps({'checks': checks}))})"
    found = run_steps([python("doctor", code)], tmp_path, lambda text: None)
    assert [check["name"] for check in found["doctor"]["result"]["checks"]] == ["GPU"]


def test_engines_are_built_by_both_builders_and_the_last_is_judged():
    names = [s.name for s in steps("x", ("onnx", "torch_tensorrt"), "cpu", 60.0, 200)]
    assert names == [
        "doctor", "quantize", "build with onnx", "build with torch_tensorrt", "build float",
        "gate", "bench", "bench of PyTorch", "node",
    ]  # fmt: skip
    assert [s.name for s in steps("x", (), "x", 60.0, 200)] == [
        "doctor", "quantize", "gate", "bench", "node",
    ]  # fmt: skip


def test_policy_and_buffer_come_with_the_source(tmp_path):
    copy_parts(copied(ROOT), tmp_path)
    assert load_buffer(tmp_path / "buffer").samples
    assert (tmp_path / "float" / "bundle.yaml").is_file()
    assert steps_module.copied(ROOT)["float"] == ROOT / "policies/panda"


def test_the_table_has_a_row_for_each_record():
    checks = [{"name": "GPU", "text": "Orin, SM 8.7"}, {"name": "JetPack", "text": "6.2.1"}]
    latency = {"float_compiled": {"p50": 20.0}, "int8": {"p50": 12.0}}
    results = {
        "doctor": {"checks": checks},
        "gate": {"passed": True},
        "bench": {"latency_ms": latency},
        "node": {"rows": [{"jitter_ms": {"p99": 0.4}}]},
    }
    done = {name: {"status": "done", "result": result} for name, result in results.items()}
    record = {"machine": {"cpu": "a CPU"}, "steps": {**done, "build": {"status": "failed"}}}
    row = table([record]).splitlines()[2]
    assert "Orin, SM 8.7, 6.2.1" in row and "4 of 5" in row and "12.0 ms | 20.0 ms" in row
    assert "passed" in row and "0.40 ms" in row
    assert table([]).splitlines()[2].count("|") == len(HEAD) + 1


@pytest.mark.parametrize("name", ["quantize", "gate", "bench", "node", "build with onnx"])
def test_the_commands_are_ones_that_there_are(name, tmp_path):
    """Each with an option more: it is refused for that option, not for one of ours."""
    chain = steps("tensorrt", ("onnx",), "cpu", 60.0, 200)
    words = next(step.words for step in chain if step.name == name)
    found = run_steps([Step(name, (*words, "--nothing-like-it"))], tmp_path, lambda text: None)
    assert found[name]["status"] == "failed"
    kept = json.loads(next((tmp_path / "steps").iterdir()).read_text())
    assert "--nothing-like-it" in kept["sentence"]
