# SPDX-License-Identifier: Apache-2.0
"""Checks on the way of a training: the newest weights are played, and the training stays as is."""

from __future__ import annotations

import pytest
import torch
from support.made_up_frames import write_data_set
from support.tiny_run import start

from quantvla_ros.bundle.storage import load_bundle
from training import runlog, train
from training.starting_point import CHECKPOINT
from training.train import DRAFT


def trained(run):
    return torch.load(run / CHECKPOINT, weights_only=False)


@pytest.mark.slow  # two trainings of two processes each
def test_a_check_is_logged_and_changes_nothing(tmp_path):
    demos, plain, checked = (tmp_path / name for name in ("demos", "plain", "checked"))
    write_data_set(demos, [6, 6])
    assert start(demos, plain, 3, processes=2).wait() == 0
    # At the second step, and at the last one.
    assert start(demos, checked, 3, processes=2, check_every=2).wait() == 0
    log = runlog.read(checked)
    checks = [line for line in log if "success" in line]
    assert checks == [{"step": step, "success": {"pick_place": 0.0}} for step in (2, 3)]
    assert [line["flow"] for line in log if "flow" in line] == [
        line["flow"] for line in runlog.read(plain)
    ]
    average = trained(checked)["average"]
    for name, tensor in trained(plain)["average"].items():
        assert torch.equal(tensor, average[name]), name
    for name, tensor in load_bundle(checked / DRAFT).tensors.items():
        assert torch.equal(tensor, average[name].half().float()), name


def test_every_family_is_played_with_several_goals_a_scene():
    planned = train.check_plan(["pick_place", "push"], 2)
    assert len(planned) == len(set(planned)) == 8
    for family in ("pick_place", "push"):
        goals = {(seed, goal) for name, seed, goal in planned if name == family}
        assert len({seed for seed, _ in goals}) == 2
        assert len(goals) == 4


def test_rates_are_shares_of_solved_episodes():
    results = [("push", True), ("stack", False), ("push", False), ("push", True)]
    assert train.rates(results) == {"push": 0.667, "stack": 0.0}
