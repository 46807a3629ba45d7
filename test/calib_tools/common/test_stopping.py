# SPDX-License-Identifier: Apache-2.0
"""Commands that a signal ends: nothing broken stays, no child, and what was finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.process_life import alive, children_of, import_path
from support.waiting import patient, wait_until

pytest.importorskip("rclpy")  # the commands read pictures of recorded messages


def start(*command, ignored=()) -> subprocess.Popen:
    """A Python process that takes the signals which a shell would not have taken from it."""

    def prepare():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
        env=os.environ | {"PYTHONPATH": import_path(Path(__file__).parent)},
    )


def quantvla(*arguments) -> subprocess.Popen:
    return start("-m", "calib_tools.cli", *arguments)


CLEANING = """
import sys, time
from calib_tools.common.stopping import stops_on_signals
with stops_on_signals():
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        print("cleaning", flush=True)
        time.sleep(0.3)
        print("clean", flush=True)
"""


DROPPING = {
    "freeing": """
class Freed:
    def __del__(self):
        signal.raise_signal(NUMBER)

def drop():
    Freed()
""",
    "forking": """
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(NUMBER))

def drop():
    subprocess.run(["true"], preexec_fn=lambda: None)
""",
}
"""Where Python drops the exception of a signal."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("place", DROPPING)
def test_a_signal_is_not_lost_where_python_drops_exceptions(place, number):
    body = DROPPING[place].replace("NUMBER", str(int(number)))
    process = start(
        "-c",
        "import os, signal, subprocess, time\n"
        "from calib_tools.common.stopping import stops_on_signals\n"
        f"{body}\n"
        "with stops_on_signals():\n"
        "    drop()\n"
        "    time.sleep(60)\n",
    )
    _, errors = process.communicate(timeout=patient(30))
    assert process.returncode == 128 + number, errors
    assert "ignored" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_twice_at_once_does_not_disturb_the_end(number):
    process = start("-c", CLEANING)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(number)
    assert process.communicate(timeout=patient(30))[0] == "clean\n"
    assert process.returncode == 128 + number


def test_a_hangup_that_nohup_had_ignored_stays_ignored():
    process = start("-c", CLEANING, ignored=(signal.SIGHUP,))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=patient(30))
    assert process.returncode == 128 + signal.SIGTERM


def assert_gone(children: set[int]) -> None:
    """The last one, multiprocessing's tracker of resources, ends a moment after its parent."""
    assert children
    wait_until(lambda: not any(map(alive, children)), 20, "the end of the children")


def test_quantize_keeps_its_finished_layers(tiny_bundle, tiny_buffer, tmp_path):
    """That the same command goes on with them is in test_resume."""
    search = ("--layout", "auto", "--rounding", "rtn")
    process = quantvla("quantize", tiny_bundle, tiny_buffer, *search, "--out", tmp_path / "out")
    measures = tmp_path / ".out.work" / "measures"  # by its workers, layer by layer
    wait_until(lambda: any(measures.glob("*.json")), 120, "a measured layer")
    children = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=patient(60))
    assert process.returncode == 128 + signal.SIGTERM, errors
    said = "quantvla: Stopped by SIGTERM; the same command goes on from there."
    assert errors.splitlines()[-1] == said
    assert "Traceback" not in errors
    assert_gone(children)
    assert [path.name for path in tmp_path.iterdir()] == [".out.work"]


def test_select_leaves_nothing(tmp_path, config, streams):
    import yaml

    bag = streams.bag(tmp_path / "in" / "bag", streams.robot(3000))
    path = tmp_path / "in" / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    process = quantvla("select", bag, "--config", path, "--out", tmp_path / "buffer")
    wait_until(lambda: " different" in process.stderr.readline(), 60, "the first groups")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=patient(30))
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.splitlines()[-1] == "quantvla: Stopped by SIGTERM."
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


EVALUATION = """
import sys
from pathlib import Path
from calib_tools.evaluate import run
from calib_tools.common.stopping import stops_on_signals
from support.evaluation_players import Stuck, made_up
if __name__ == "__main__":
    run.make_player = Stuck
    variants, settings = made_up(Path(sys.argv[1]), labels=("float",))
    with stops_on_signals():
        try:
            run.evaluate(variants, settings, Path(sys.argv[2]), workers=1)
        except SystemExit as stop:
            print(stop.text)
            raise
"""


def test_evaluate_keeps_its_episodes_and_says_how_many(tmp_path):
    script, out = tmp_path / "evaluation_script.py", tmp_path / "out"
    script.write_text(EVALUATION)
    process = start(script, tmp_path / "notes", out)
    wait_until((tmp_path / "notes" / "stuck").exists, 90, "the episode that hangs")
    children = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=patient(30))
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert said == "Stopped by SIGTERM with 4 of 6 episodes finished\n"
    assert len((out / "episodes.jsonl").read_text().splitlines()) == 4
    assert_gone(children)
