# SPDX-License-Identifier: Apache-2.0
"""quantvla import, from the command line to a policy that runs, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.made_checkpoints import (
    HORIZON,
    JOINTS,
    network_tensors,
    robot_file,
    stored_tensors,
    write_checkpoint,
    write_weights,
)
from support.waiting import patient

from calib_tools.cli import main
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.bundle.tensors import WEIGHTS, tensor_header
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.observation import Observation

TEST = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["quantvla", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                return capsys.readouterr().err.strip().splitlines()[-1]
        return capsys.readouterr().out

    return call


@pytest.fixture
def robot(tmp_path):
    return robot_file(tmp_path / "made.yaml")


@pytest.fixture
def checkpoint(tmp_path):
    tensors = stored_tensors(network_tensors()) | {"model.lm_head.weight": torch.zeros(2, 2)}
    return write_checkpoint(tmp_path / "checkpoint", tensors, shards=3)


def test_a_checkpoint_becomes_a_policy_that_moves_the_robot(run, robot, checkpoint, tmp_path):
    out = tmp_path / "float"
    report = json.loads(run("import", checkpoint, "--robot", robot, "--out", out, "--json"))
    assert load_file(out / WEIGHTS).keys() == network_tensors().keys()
    for name, value in network_tensors().items():
        assert torch.equal(load_file(out / WEIGHTS)[name], value)
    assert [line["topic"] for line in report["cameras"]] == ["front/image_raw", "wrist/image_raw"]
    assert report["cameras"][0]["key"] == "observation.images.top"
    assert [line["counted"] for line in report["action"]] == [
        *["relative to the state"] * 2,
        "absolute",
    ]
    assert [line["joint"] for line in report["state"]] == ["j1", "j2", "jaw"]
    assert [line["unit"] for line in report["state"]] == ["rad", "deg", "0..100"]
    assert report["state"][0]["scaled"] == "quantiles -0.6..0.9"
    assert report["tokens"] > 0 and report["rate"] == 10.0
    assert report == load_manifest(out, check_files=True).contract.model_dump()
    policy = load_policy(out)
    rng = np.random.default_rng(0)
    seen = Observation(
        images={c: rng.integers(0, 256, (24, 32, 3), np.uint8) for c in ("front", "wrist")},
        joints=np.array([0.3, 0.01, 0.02], np.float32),
        instruction="reach",
        stamp=0.0,
    )
    chunk = policy.infer(seen, draw_noise(policy.manifest, 0, 0))
    assert chunk.actions.shape == (HORIZON, len(JOINTS)) and np.isfinite(chunk.actions).all()
    assert "policy" in run("inspect", out) and "relative" in run("inspect", out)


def test_inspect_shows_the_mapping_and_writes_nothing(run, robot, checkpoint, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    shown = run("inspect", checkpoint, "--robot", robot)
    assert all(word in shown for word in (*JOINTS, "front/image_raw", "Made up."))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_camera_that_the_robot_does_not_have_is_left_out(run, checkpoint, tmp_path):
    robot = robot_file(tmp_path / "one.yaml", cameras={"front": "front/image_raw"})
    out = tmp_path / "float"
    report = json.loads(run("import", checkpoint, "--robot", robot, "--out", out, "--json"))
    assert report["absent"] == ["observation.images.wrist"] and len(report["cameras"]) == 1
    assert load_policy(out).manifest.architecture["cameras"] == 1


def damaged(checkpoint, change):
    for file in checkpoint.glob("model*"):
        file.unlink()
    tensors = stored_tensors(network_tensors())
    change(tensors)
    write_weights(checkpoint, tensors)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.pop("model.head.0.fc1.weight"), "lacks tensor 'head.0.fc1.weight' (1 missing"),
        (lambda t: t.update({"model.odd.weight": torch.zeros(1)}), "'odd.weight', which this"),
        (
            lambda t: t.update({"model.head.0.fc1.weight": torch.zeros(3, 3)}),
            "shape (3, 3) for the network's 'head.0.fc1.weight', which is (64, 32)",
        ),
        (
            lambda t: t["model.head.0.fc1.weight"].fill_(float("nan")),
            "tensor 'head.0.fc1.weight' of",
        ),
    ],
)
def test_wrong_weights_are_one_sentence_and_nothing_is_left(
    run, robot, checkpoint, tmp_path, change, said
):
    damaged(checkpoint, change)
    out = tmp_path / "float"
    assert said in run("import", checkpoint, "--robot", robot, "--out", out)
    assert not out.exists() and not list(tmp_path.glob(".float*"))


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"cameras": {"side": "x"}},
            "no camera for the policy's 'top' or 'wrist'; its robot.yaml knows 'side'",
        ),
        ({"state": list(JOINTS[:2])}, "3 values of state, and robot 'made' has 2: shoulder.pos,"),
        ({"action": list(reversed(JOINTS))}, "'action' of robot 'made' lists gripper.pos, elbow"),
        ({"state": list(reversed(JOINTS))}, "observes 'gripper.pos' there; correct the order"),
        ({"rate": None}, "give the fps of the training data with --rate HZ"),
    ],
)
def test_a_robot_that_does_not_fit_is_one_sentence_with_names(
    run, checkpoint, tmp_path, changes, said
):
    robot = robot_file(tmp_path / "odd.yaml", **changes)
    assert said in run("import", checkpoint, "--robot", robot, "--out", tmp_path / "float")


def test_a_preset_is_corrected_in_a_copy(run, checkpoint, tmp_path):
    said = run("import", checkpoint, "--robot", "so101", "--out", tmp_path / "float")
    assert "3 values of state, and robot 'so101' has 6" in said
    assert said.endswith("in a copy of " + str(shared_file("config/robots/so101.yaml")))


def test_what_the_checkpoint_lacks_names_the_way_out(run, robot, checkpoint, tmp_path):
    out = tmp_path / "float"
    order = ("import", checkpoint, "--robot", robot, "--out", out)
    file = checkpoint / "policy_preprocessor.json"
    steps = json.loads(file.read_text())
    steps["steps"][4]["config"]["tokenizer_name"] = "someone/model"
    del steps["steps"][4]["artifacts"]
    file.write_text(json.dumps(steps))
    said = run(*order)
    assert "only the name of its tokenizer, 'someone/model'" in said and "--tokenizer PATH" in said
    assert "Action" in run(*order, "--tokenizer", checkpoint / "tokenizer")
    config = json.loads((checkpoint / "config.json").read_text()) | {"type": "diffusion"}
    (checkpoint / "config.json").write_text(json.dumps(config))
    assert "of type 'diffusion' (config.json), which no family imports" in run(*order, "--force")
    assert "is no checkpoint of reach" in run(*order, "--force", "--family", "reach")


_PEAK = """
import re, sys
from pathlib import Path
import rich.progress, safetensors, torch
from calib_tools.import_.command import ImportSettings, import_checkpoint, read_checkpoint
given, out, robot, sizes = sys.argv[1:]
settings = ImportSettings(robot, sizes=Path(sizes))
read_checkpoint(Path(given), settings)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
kib = lambda key: int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = kib("VmRSS")
import_checkpoint(Path(given), Path(out), settings)
print(1024 * (kib("VmHWM") - before))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A checkpoint whose memory can be measured, with its sizes, and how many bytes it has."""
    path = tmp_path_factory.mktemp("large")
    own = network_tensors(width=1536, dtype=torch.bfloat16)
    (path / "sizes.json").write_text(json.dumps({"width": 1536}))
    write_checkpoint(path / "checkpoint", stored_tensors(own), shards=2)
    return path / "checkpoint", path / "sizes.json", sum(value.nbytes for value in own.values())


def with_test_folder():
    """The environment of a process that finds the family from outside."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(TEST), str(TEST.parent)))}


def test_memory_stays_below_the_weights(robot, large, tmp_path):
    """Every tensor is mapped, checked and written for itself: never all of them at once."""
    checkpoint, sizes, size = large
    assert size > 100 << 20
    ended = subprocess.run(
        [sys.executable, "-c", _PEAK, checkpoint, tmp_path / "float", robot, sizes],
        capture_output=True,
        text=True,
        env=with_test_folder(),
        timeout=patient(60.0),
    )
    assert ended.returncode == 0, ended.stderr
    grown = int(ended.stdout.split()[-1])
    print(f"weights {size >> 20} MiB, grown by {grown >> 20} MiB")
    assert grown < 0.6 * size
    written = load_manifest(tmp_path / "float", check_files=True)
    assert written.architecture["width"] == 1536
    kinds = {entry["dtype"] for entry in tensor_header(tmp_path / "float").values()}
    assert kinds == {"BF16"}


def test_ctrl_c_leaves_nothing(robot, large, tmp_path):
    checkpoint, sizes, _ = large
    command = ["-m", "calib_tools.cli", "import", checkpoint, "--robot", robot, "--out"]
    process = subprocess.Popen(
        [sys.executable, *command, tmp_path / "float", "--sizes", sizes],
        stderr=subprocess.PIPE,
        text=True,
        env=with_test_folder(),
    )
    while not list(tmp_path.glob(".float.*.new")) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=patient(20.0))[1]
    assert process.returncode == 128 + signal.SIGINT, said
    assert "Traceback" not in said and not list(tmp_path.glob("*float*"))
