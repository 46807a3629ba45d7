# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.backends.base import Options
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.observation import Observation
from studies.fault_study.wave_policy import BACKEND, MODE_VARIABLE, next_fastest

NOISE = np.zeros((1, 1), np.float32)


@pytest.fixture
def policy(tmp_path, monkeypatch):
    mode = tmp_path / "mode"
    mode.write_text("")
    monkeypatch.setenv(MODE_VARIABLE, str(mode))
    policy = BACKEND.policy(shared_file("policies/panda"), Options())
    return policy, mode


def infer(policy):
    return policy.infer(Observation({}, np.zeros(8, np.float32), "wave", 5.0), NOISE)


def test_wave_moves_the_arm_and_not_the_fingers(policy):
    chunk = infer(policy[0])
    interface = policy[0].manifest.interface
    assert chunk.actions.shape == (interface.horizon, len(interface.action.names))
    moves = np.ptp(chunk.actions, axis=0) > 0
    assert moves.tolist() == interface.action.of_type("arm").tolist()


@pytest.mark.parametrize("time_s", [0.0, 12.3, 99.99])
def test_next_fastest_is_where_the_wave_crosses_its_middle(policy, time_s):
    policy = policy[0]
    moment = next_fastest(time_s)
    assert time_s <= moment < time_s + 1.0
    dt = policy.manifest.interface.dt
    seen = Observation({}, np.zeros(8, np.float32), "wave", moment - 2 * dt)
    speeds = np.abs(np.diff(policy.infer(seen, NOISE).actions[:, 0]))
    assert speeds[:2].min() > 0.97 * speeds.max()


def test_file_says_how_it_fails(policy):
    policy, mode = policy
    good = infer(policy)
    mode.write_text("nan")
    assert np.isnan(infer(policy).actions).any()
    mode.write_text("outside")
    assert (infer(policy).actions[:, 0] > good.actions[:, 0] + 3).all()
    mode.write_text("astray")
    away = (infer(policy).actions - good.actions).max(axis=0)
    assert away.argmax() == 2 and away[2] == pytest.approx(14 * 0.065, abs=0.01)
    mode.write_text("late")
    assert infer(policy).stamp < 0
    mode.write_text("raise")
    with pytest.raises(RuntimeError, match="told the policy to raise"):
        infer(policy)
