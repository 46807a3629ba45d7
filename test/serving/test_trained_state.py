# SPDX-License-Identifier: Apache-2.0
"""What the policy is shown of the joints, and when they are too far from its training."""

from __future__ import annotations

import numpy as np
import pytest
from support.joint_worlds import trained_state

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.turns import TURN

NAMES = ("elbow", "wheel")


@pytest.mark.parametrize("turns", [-3, -1, 0, 1])
def test_a_continuous_joint_is_shown_in_the_turn_of_the_training(turns):
    trained = trained_state(NAMES, mean=1.0, std=0.1, continuous=["wheel"])
    measured = np.array([1.2, 1.5 + turns * TURN])
    np.testing.assert_allclose(trained.seen(measured), [1.2, 1.5])
    assert trained.outside(measured, 10.0) is None


def test_a_joint_far_outside_is_named_with_its_value_and_range():
    trained = trained_state(NAMES, mean=1.0, std=0.1, continuous=["wheel"])
    code, text = trained.outside(np.array([1.0 - TURN, 1.0 - TURN]), 10.0)
    assert code is FaultCode.STATE_OUT_OF_RANGE
    assert text == (
        "joint 'elbow' is measured at -5.28 rad, the policy was trained between 0.00 and 2.00 rad "
        "(10 standard deviations)"
    )
    assert trained.outside(np.array([2.01, 1.0]), 10.0) is not None
    assert trained.outside(np.array([2.01, 1.0]), 12.0) is None


@pytest.mark.parametrize("turns", [-2, 0, 1])
def test_committed_rows_go_back_into_the_turn_that_the_policy_saw(turns):
    trained = trained_state(NAMES, continuous=["wheel"], actions=["wheel", "elbow"])
    seen = np.array([0.0, 3.0])
    rows = np.array([[3.1 + turns * TURN, 0.1], [3.3 + turns * TURN, 0.2]])
    np.testing.assert_allclose(trained.rows(rows, seen), [[3.1, 0.1], [3.3, 0.2]])


def test_twists_and_other_actions_that_are_no_joints_stay():
    trained = trained_state(NAMES, continuous=["wheel"], actions=["linear_x", "elbow"])
    rows = np.array([[9.0, 0.1]])
    np.testing.assert_array_equal(trained.rows(rows, np.zeros(2)), rows)


def test_a_policy_in_degrees_is_told_in_degrees():
    """It measures in rad as every robot; mean and range are the policy's."""
    trained = trained_state(NAMES, mean=90.0, std=5.0, continuous=["wheel"], unit="deg")
    assert trained.outside(np.deg2rad([40.5, 139.5]), 10.0) is None
    code, text = trained.outside(np.deg2rad([30.0, 90.0]), 10.0)
    assert code is FaultCode.STATE_OUT_OF_RANGE
    assert text == (
        "joint 'elbow' is measured at 30.00 deg, the policy was trained between 40.00 and "
        "140.00 deg (10 standard deviations)"
    )
    np.testing.assert_allclose(trained.seen(np.deg2rad([90.0, 90.0 - 360.0])), np.pi / 2)
