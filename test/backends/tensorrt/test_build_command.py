# SPDX-License-Identifier: Apache-2.0
"""`quantvla build` as a person runs it: engines and their record, or nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.process_life import hear_signals
from support.tiny_policy import save_tiny_bundle
from support.waiting import wait_until

from quantvla_ros.backends.tensorrt.engine_record import read_record
from studies.static_bundle import save_static_bundle

pytest.importorskip("tensorrt_rtx_bindings", reason="needs .venv-tensorrt (make test-tensorrt)")


@pytest.fixture
def int8(tmp_path):
    return save_static_bundle(save_tiny_bundle(tmp_path / "float"), tmp_path / "int8")


def start(*arguments):
    command = [sys.executable, "-m", "calib_tools.cli", "build", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )


def test_engines_appear_whole_and_are_not_built_twice(int8):
    ran = start(int8, "--without-gpu", "--builder", "onnx")
    said, complaints = ran.communicate()
    assert ran.returncode == 0, complaints
    folder = int8 / "engines" / "tensorrt-rehearsal"
    assert str(folder) in said
    assert "TensorRT's ONNX parser" in complaints and "INT8 products hold" in complaints
    names = {"context.plan", "step.plan", "engine.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert list((int8 / "engines").iterdir()) == [folder]
    assert read_record(folder).machine.sm == "8.6"
    again = start(int8, "--without-gpu")
    assert "give --force" in again.communicate()[1]
    assert again.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_leaves_nothing(int8, number):
    before = sorted(int8.iterdir())
    ran = start(int8, "--without-gpu", "--builder", "onnx")
    drafts = int8 / "engines"
    wait_until(lambda: drafts.exists() and any(drafts.iterdir()), 120, "a draft")
    ran.send_signal(number)
    said = ran.communicate()[1]
    assert ran.returncode == 128 + number, said
    assert "Stopped by" in said
    assert sorted(int8.iterdir()) == before
