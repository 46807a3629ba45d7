# SPDX-License-Identifier: Apache-2.0
"""A continuous joint whose driver is one turn away from where the policy was trained."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_robot import JOINTS, FakeRobot
from support.policy_graph import HORIZON, write_bundle
from support.waiting import wait_until

from quantvla_ros.bundle.schema import Normalization
from quantvla_ros.control.turns import TURN
from quantvla_ros.errors import QuantVLAError

POSTURE = np.array([-TURN, 0.0, 0.0])


class TurnedRobot(FakeRobot):
    """Its first joint is continuous and one turn away."""

    def __init__(self):
        super().__init__()
        self.describe(JOINTS, continuous=["joint1"])
        self.put(POSTURE)


@pytest.fixture(scope="module")
def make_robot(ros):
    return TurnedRobot


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A policy that was trained within 2 rad around zero."""
    norm = Normalization(
        state_mean=[0.0] * 6,
        state_std=[0.2] * 6,
        action_mean=[[0.0] * 3] * HORIZON,
        action_std=[[1.0] * 3] * HORIZON,
    )
    return write_bundle(tmp_path_factory.mktemp("bundle") / "float", normalization=norm)


def positions(robot):
    return np.array([p.positions for window in list(robot.windows) for p in window.points])


def test_the_joint_hardly_moves_although_the_policy_speaks_of_another_turn(policy, robot):
    """The policy swings every joint by 0.4 rad around zero."""
    policy.bring_to_motion()
    wait_until(lambda: np.abs(positions(robot)[:, 1]).max() > 0.35, 30, "the end of a swing")
    commanded = positions(robot)
    assert np.abs(commanded - POSTURE).max() < 0.45
    np.testing.assert_allclose(commanded[:, 0] + TURN, commanded[:, 1], atol=1e-6)
    assert policy.message == "ARMED"
    assert float(policy.client.diagnostics("control")[1]["tracking_ratio"]) < 1.0
    policy.bring_to_dry_run()


def test_a_joint_with_limits_one_turn_away_is_refused_with_value_and_range(policy, robot):
    robot.measure = lambda at: at + np.array([0.0, TURN, 0.0])
    policy.wait_for_inputs("STATE_OUT_OF_RANGE: joint 'joint2' is measured at ", 20)
    text = policy.client.diagnostics("inputs")[0]
    assert "the policy was trained between -2.00 and 2.00 rad (10 standard deviations)" in text
    with pytest.raises(QuantVLAError, match="STATE_OUT_OF_RANGE"):
        policy.client.arm()
    policy.bring_to_dry_run()
