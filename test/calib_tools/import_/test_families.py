# SPDX-License-Identifier: Apache-2.0
"""Every golden checkpoint from the command line to the action that LeRobot gave the robot."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import yaml
from support import imported_act, imported_groot, imported_groot_n15, smolvla, tiny_pi05
from support.parity import TOLERANCE, golden

from calib_tools.cli import main
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.observation import Observation


@dataclass(frozen=True)
class Told:
    """What a user gives with a checkpoint."""

    robot: object
    sizes: dict
    tokens: bool = True


def told(name):
    if name == "smolvla":
        return Told(smolvla.robot(), smolvla.SIZES)
    if name.startswith("pi05"):
        return Told(tiny_pi05.robot(), tiny_pi05.SIZES)
    if name == imported_act.NAME:
        return Told(imported_groot.robot("groot"), imported_act.SIZES, tokens=False)
    if name == imported_groot_n15.NAME:
        return Told(imported_groot.robot(name), imported_groot_n15.tiny_sizes(golden(name)))
    return Told(imported_groot.robot(name), imported_groot.tiny_sizes(golden(name)))


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["quantvla", *map(str, arguments)])
    try:
        main()
    except SystemExit as ended:
        assert not ended.code


@pytest.mark.parametrize(
    "name",
    [
        "smolvla",
        "pi05",
        "pi05_mean_std",
        "pi05_relative",
        "groot",
        "groot_relative",
        "groot_raw",
        "groot_n15",
        "act",
    ],
)
def test_import_gives_lerobots_actions(name, monkeypatch, capsys, tmp_path):
    known, given = golden(name), told(name)
    robot, sizes, out = (tmp_path / n for n in ("robot.yaml", "sizes.json", "float"))
    robot.write_text(yaml.safe_dump(given.robot.model_dump(mode="json", exclude_defaults=True)))
    sizes.write_text(json.dumps(given.sizes))
    options = ["--robot", robot, "--rate", 10, "--sizes", sizes]
    options += ["--tokenizer", known.tokenizer] if given.tokens else []
    directory = imported_groot.checkpoint_of(known)
    run(monkeypatch, "inspect", directory, *options, "--json")
    shown = json.loads(capsys.readouterr().out)
    run(monkeypatch, "import", directory, *options, "--out", out, "--json")
    report = json.loads(capsys.readouterr().out)
    assert report == shown
    assert len(report["action"]) == 7 and len(report["cameras"]) == 2
    relative = [line["counted"] for line in report["action"]].count("relative to the state")
    assert relative == (6 if name.endswith("relative") else 0)
    print(report["prompt"], report["tokens"], report["notes"], report["action"][0])
    policy = load_policy(out)
    seen = Observation(known.pictures, known.state, known.task, 0.0)
    drawn = draw_noise(policy.manifest, 0, 0)
    noise = known["noise"][0].numpy() if "noise" in known.tensors else drawn
    actions = policy.infer(seen, noise).actions
    rows = known["actions"][0].numpy()  # LeRobot gives those that it executes
    assert np.abs(actions[: len(rows)] - rows).max() < TOLERANCE
