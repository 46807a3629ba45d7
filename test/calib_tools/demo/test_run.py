# SPDX-License-Identifier: Apache-2.0
"""How a demo ends that does not get to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from support.process_life import alive, children_of, hear_signals
from support.waiting import patient, wait_until

from calib_tools.demo.run import run_demo
from quantvla_ros.errors import BundleError, OutputExistsError


def start(tmp_path, tiny_bundle) -> subprocess.Popen:
    arguments = ["demo", "--quick", "--out", tmp_path / "out", "--policy", tiny_bundle]
    return subprocess.Popen(
        [sys.executable, "-m", "calib_tools.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        start_new_session=True,
        preexec_fn=hear_signals,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_an_interrupted_demo_leaves_no_process_and_no_file(tmp_path, tiny_bundle, number, status):
    demo = start(tmp_path, tiny_bundle)
    children = wait_until(
        lambda: found if len(found := children_of(demo.pid)) >= 2 else None, 60, "both nodes"
    )
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=patient(120))
    assert demo.returncode == status, errors
    assert "Traceback" not in errors
    # A child that was being started in that very moment is ended by the kernel instead (its parent
    # is gone), and then takes its own time to come to rest.
    wait_until(lambda: not any(map(alive, children)), 20, "the end of the children")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_policy_of_another_robot_is_refused_by_the_node_in_one_sentence(tmp_path, tiny_bundle):
    demo = start(tmp_path, tiny_bundle)
    _, errors = demo.communicate(timeout=patient(250))
    assert demo.returncode == 1
    sentence = errors.strip().splitlines()[-1]
    assert sentence.startswith("quantvla: ")
    assert "refused to configure: " in sentence and "panda_joint1" in sentence
    assert not (tmp_path / "out").exists()
    # Only the logs stay, to look into.
    assert all(path.name.startswith("quantvla-demo-") for path in tmp_path.iterdir())


def test_a_directory_that_is_no_demo_is_not_replaced(tmp_path, tiny_bundle):
    (tmp_path / "summary.json").write_text('{"schema": 1}')
    with pytest.raises(OutputExistsError, match="no earlier demo"):
        run_demo(tmp_path, 1, tiny_bundle)


def test_a_quantized_policy_is_refused(tmp_path, monkeypatch, tiny_bundle):
    from quantvla_ros.bundle.storage import load_manifest

    manifest = load_manifest(tiny_bundle).model_copy(update={"quantization": object()})
    monkeypatch.setattr("calib_tools.demo.run.load_manifest", lambda path, check_files: manifest)
    with pytest.raises(BundleError, match="needs a float bundle"):
        run_demo(tmp_path / "out", 1, tiny_bundle)
    assert not (tmp_path / "out").exists()
