# SPDX-License-Identifier: Apache-2.0
"""A policy is trained while processes play it; here all of it on the CPU, with a tiny network."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from support.made_up_frames import write_data_set
from support.tiny_run import TINY, tiny_config
from typer.testing import CliRunner

from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.mini_pi05.network import MiniPi05
from training import camera_statistics, dagger, runlog
from training.architectures import mini_pi05
from training.dataset import Statistics, joined, load_frames, part_frames
from training.export import save_policy


@pytest.fixture
def demos(tmp_path):
    return write_data_set(tmp_path / "demos", [6, 6])


@pytest.fixture
def init(tmp_path, demos):
    torch.manual_seed(0)
    network = MiniPi05(tiny_config())
    statistics = Statistics.of(load_frames([demos]))
    return save_policy(
        tmp_path / "init", TINY, network.config, network.state_dict(), statistics, force=False
    )


class Clock:
    """The steady clock, which goes an hour ahead once a data set has a part."""

    def __init__(self, parts):
        self._parts = parts

    def monotonic(self):
        done = any(self._parts.glob("[!.]*.parquet"))
        return time.monotonic() + (3600.0 if done else 0.0)


def test_policy_is_played_while_it_learns(tmp_path, demos, init, monkeypatch):
    monkeypatch.setattr(mini_pi05, "ARCHITECTURE", TINY)
    monkeypatch.setattr(dagger, "EPISODES_A_PART", 1)
    monkeypatch.setattr(dagger, "SCENES_A_PART", 1)
    monkeypatch.setattr(dagger, "LEARN_EVERY_S", 0.5)
    monkeypatch.setattr(dagger, "POLICY_EVERY_S", 1.0)
    plan = dagger.Plan(
        out=tmp_path / "run",
        init=init,
        minutes=30.0,
        batch=4,
        correction_weight=2.0,
        first_seed=7,
        processes=1,
        peak=0.5,
        seed=0,
    )
    monkeypatch.setattr(dagger, "time", Clock(plan.corrections / "parts"))
    monkeypatch.setattr(camera_statistics, "SCENES", 1)
    dagger.run(plan, load_frames([demos]), torch.device("cpu"))
    log = runlog.read(plan.out)
    assert log[0]["frames"] == 12
    assert log[-1]["frames"] > 12
    assert all(np.isfinite(line["flow"]) for line in log)
    assert list((plan.demonstrations / "parts").glob("[!.]*.parquet"))
    parts = list((plan.corrections / "parts").glob("[!.]*.parquet"))
    assert parts
    assert set(part_frames(parts[0], 2.0).weight) == {2.0}
    trained = load_bundle(plan.out / "policy").tensors
    before = load_bundle(init).tensors
    assert any(not torch.equal(trained[name], before[name]) for name in before)
    assert len(list((plan.out / "policies").iterdir())) <= 2  # the last, and one being played

    # A second start finds the time spent: it ends at once, where the first one ended.
    dagger.run(plan, load_frames([demos]), torch.device("cpu"))
    assert runlog.read(plan.out)[-1]["step"] == log[-1]["step"]
    again = load_bundle(plan.out / "policy").tensors
    assert all(torch.equal(trained[name], again[name]) for name in again)


def test_frames_join_in_order(demos):
    first, second = load_frames([demos]), load_frames([demos], correction_weight=1.0)
    both = joined([first, second], torch.device("cpu"))
    assert len(both) == 24
    assert torch.equal(both.chunk[12:], second.chunk)
    assert torch.equal(both.pictures.take(np.array([13])), first.pictures.take(np.array([1])))
    assert both.goal.tolist() == 2 * first.goal.tolist()


def test_without_a_gpu_it_says_what_to_do(tmp_path, demos, init, monkeypatch):
    import typer

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    app = typer.Typer()
    app.command()(dagger.main)
    arguments = ["--init", init, "--demos", demos, "--out", tmp_path / "run", "--minutes", "1"]
    ended = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ended.exit_code == 1
    assert (
        "no GPU here; `make policy` trains on two CPU cores" in str(ended.exception) + ended.output
    )
