# SPDX-License-Identifier: Apache-2.0
"""The check's bookkeeping with steps that stand in for real ones, its commands and its table."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.process_life import hear_signals
from support.waiting import patient, wait_until

from calib_tools.buffer.store import load_buffer
from studies.jetson_check.command import run_command
from studies.jetson_check.privacy import without_names
from studies.jetson_check.running import copy_parts, run_steps
from studies.jetson_check.steps import Lengths, Step, copied, steps
from studies.jetson_check.table import HEAD, table

ROOT = Path(__file__).parents[3]
SHORT = Lengths(1.0, 10)


def python(name, code, result=None, **more):
    return Step(name, ("-c", code), result, **more)


def run(chain, folder):
    """The outcomes, without what was kept on the way."""
    return run_steps(chain, folder, lambda text: None, lambda found: None)


def test_a_step_that_fails_is_kept_with_its_sentence_and_the_others_go_on(tmp_path):
    chain = [
        python("good", "print('{\"a\": 1}')"),
        python("bad", "import sys; sys.exit('quantvla: no GPU was found here')"),
        python("judged", "print('{\"passed\": false}'); raise SystemExit(1)"),
        python("file", "open('f.json', 'w').write('[1]')", "*.json"),
        python("not here", "raise SystemExit('this ran')", missing="no GPU"),
    ]
    kept = []
    found = run_steps(
        chain,
        tmp_path,
        lambda text: None,
        lambda now: kept.append([step["status"] for step in now.values()]),
    )
    assert [step["status"] for step in found.values()] == [
        "done", "failed", "failed", "done", "left out"
    ]  # fmt: skip
    assert found["good"]["result"] == {"a": 1}
    assert found["good"]["peak_memory_bytes"] > 1e6
    assert found["bad"]["sentence"] == "quantvla: no GPU was found here"
    assert found["judged"]["result"] == {"passed": False}
    assert found["file"]["result"] == [1]
    assert found["not here"]["sentence"] == "no GPU"
    assert [statuses.count("not run yet") for statuses in kept] == [4, 3, 2, 1, 0]


def test_what_is_done_is_not_done_again_and_what_failed_is(tmp_path):
    count = "import pathlib; p = pathlib.Path('runs'); p.write_text(p.read_text() + '{}')"
    (tmp_path / "runs").write_text("")
    first = python("first", count.format("1"))
    last = python("last", count.format("3"), reads=("first",))
    chain = [first, python("bad", f"{count.format('2')}; raise SystemExit(1)"), last]
    for _ in range(2):
        run(chain, tmp_path)
    assert (tmp_path / "runs").read_text() == "1232"
    run([python("first", f"{count.format('4')}; 1"), last], tmp_path)  # another command
    assert (tmp_path / "runs").read_text() == "123243"


STOPPED = """
import json, sys
from pathlib import Path
from studies.jetson_check.running import run_steps
from studies.jetson_check.steps import Step
from studies.study import study_command
folder = Path(sys.argv[1])
work = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
long = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
chain = [
    Step("one", ("-c", "print(1)")), Step("two", ("-c", work, long)), Step("three", ("-c", "")),
]
keep = lambda found: folder.joinpath("record.json").write_text(json.dumps(found))
with study_command("studies.jetson_check"):
    run_steps(chain, folder, lambda text: None, keep)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_stopped_leaves_a_record_and_no_process(tmp_path, number):
    words = [sys.executable, "-c", STOPPED, str(tmp_path)]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    check = subprocess.Popen(
        words, env=where, stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals
    )
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text(), 60, "the second step")
    check.send_signal(number)
    _, said = check.communicate(timeout=patient(60))
    assert check.returncode == 128 + number and "the record says so far" in said
    found = json.loads((tmp_path / "record.json").read_text())
    assert [step["status"] for step in found.values()] == ["done", "stopped", "not run yet"]
    wait_until(lambda: _gone(int(pid.read_text())), 10, "the end of all")


def test_a_command_that_ends_leaves_nothing_behind(tmp_path):
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(600)']); print(p.pid)"
    )
    ended = run_command(("-c", code), tmp_path, tmp_path / "log")
    wait_until(lambda: _gone(int(ended.output)), 10, "the end of its child")


def _gone(pid):
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


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
    found = run([python("doctor", code)], tmp_path)
    assert [check["name"] for check in found["doctor"]["result"]["checks"]] == ["GPU"]


BUILT = ["build with onnx", "build with torch_tensorrt", "build float"]
ON_X = ["gate on x", "bench on x", "node on x"]
PLAIN = ["quantize for cpu", "gate on cpu", "bench on cpu", "node on cpu"]


def test_engines_are_built_by_both_builders_and_the_last_is_judged():
    found = steps("x", "", ("onnx", "torch_tensorrt"), "cpu", SHORT)
    assert [s.name for s in found] == [
        "doctor", "inspect", "quantize for x", *BUILT, *ON_X, *PLAIN
    ]  # fmt: skip
    by_name = {s.name: s for s in found}
    assert "torch_tensorrt" in by_name["build float"].words
    assert set(BUILT) < set(by_name["gate on x"].reads)
    assert not any(s.missing or "--without-gpu" in s.words for s in found)
    assert [s.name for s in steps("cpu", "", (), "cpu", SHORT)] == ["doctor", "inspect", *PLAIN]


def test_without_a_gpu_engines_are_rehearsed_and_what_runs_them_is_left_out():
    found = {s.name: s for s in steps("x", "no GPU", ("onnx", "torch_tensorrt"), "cpu", SHORT)}
    assert [s.name for s in found.values() if s.missing] == [BUILT[1], *ON_X]
    rehearsed = [s.name for s in found.values() if "--without-gpu" in s.words and not s.missing]
    assert rehearsed == [BUILT[0], BUILT[2]]
    assert "onnx" in found["build float"].words


def test_policy_and_buffer_come_with_the_source(tmp_path):
    copy_parts(copied(ROOT), tmp_path)
    assert load_buffer(tmp_path / "buffer").samples
    assert (tmp_path / "float" / "bundle.yaml").is_file()
    assert copied(ROOT)["float"] == ROOT / "policies/panda"


def record(facts, backend="x", **results):
    checks = [{"name": name, "text": text} for name, text in facts.items()]
    results = {"doctor": {"checks": checks}, **results}
    done = {name: {"status": "done", "result": result} for name, result in results.items()}
    machine = {"cpu": "a CPU", "architecture": "x86_64", "cores": 2, "load": 1.5}
    return {"machine": machine, "backend": backend, "plain": "cpu", "steps": done}


def bench(**milliseconds):
    return {"latency_ms": {name: {"p50": value} for name, value in milliseconds.items()}}


def test_the_table_has_a_row_for_each_record():
    jetson = record(
        {"GPU": "Orin, SM 8.7", "JetPack": "6.2.1"},
        **{
            "gate on x": {"passed": True},
            "bench on x": bench(int8=12.0, float=20.0, pytorch_compiled=300.0),
            "node on x": {"rows": [{"jitter_ms": {"p99": 0.4}}]},
            "bench on cpu": bench(int8=100.0, float=310.0),
        },
    )
    jetson["steps"]["build"] = {"status": "failed"}
    row = table([jetson]).splitlines()[2]
    assert "Orin, SM 8.7, 6.2.1 | 5 done, 1 failed | 12.0 ms | 20.0 ms | 300.0 ms" in row
    assert "| 100.0 ms | 310.0 ms | passed, - | 0.40 ms, -" in row
    plain = record({"TensorRT": "none"})
    assert table([plain]).splitlines()[2].startswith("| x86, no GPU (a CPU) | 1 done |  |  |")
    plain["machine"]["load"] = 7.6
    assert "x86, no GPU (a CPU, busy: load 8 on 2 cores)" in table([plain])
    assert table([]).splitlines()[2].count("|") == len(HEAD) + 1


@pytest.mark.parametrize("name", ["inspect", "quantize for cpu", *BUILT[:1], *PLAIN[1:]])
def test_the_commands_are_ones_that_there_are(name, tmp_path):
    """Each with an option more: it is refused for that option, not for one of ours."""
    chain = steps("tensorrt", "", ("onnx",), "cpu", SHORT)
    words = next(step.words for step in chain if step.name == name)
    found = run([Step(name, (*words, "--nothing-like-it"))], tmp_path)
    assert found[name]["status"] == "failed"
    assert "--nothing-like-it" in found[name]["sentence"]
