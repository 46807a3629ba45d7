# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.example_bundle import example_interface

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.observation import Observation, check_observation, state_vector


@pytest.fixture
def observation():
    return Observation(
        images={"front": np.zeros((6, 8, 3), np.uint8)},
        joints=np.array([0.5, 0.02], np.float32),
        instruction="put the milk in the basket",
        stamp=12.5,
    )


def test_the_state_is_the_joints_and_the_tip():
    state = state_vector(example_interface(), np.array([np.pi / 2, 0.02], np.float32))
    assert state.dtype == np.float32
    # 0.3 m ahead of a joint that turned a quarter to the left, 0.5 m up
    np.testing.assert_allclose(state, [np.pi / 2, 0.02, 0.0, 0.3, 0.5], atol=1e-6)


def test_without_kinematics_the_state_is_a_copy_of_the_joints():
    joints = np.array([0.5, 0.02], np.float32)
    state = state_vector(example_interface(kinematics=None), joints)
    joints[0] = 9
    assert state.tolist() == pytest.approx([0.5, 0.02])


def test_a_fitting_observation_passes(observation):
    check_observation(example_interface(), observation)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": {"side": np.zeros((6, 8, 3), np.uint8)}}, "camera 'front' is missing.*side"),
        ({"images": {"front": np.zeros((8, 6), np.uint8)}}, r"'front' gave uint8 \(8, 6\)"),
        ({"images": {"front": np.zeros((0, 6, 3), np.uint8)}}, r"'front' gave uint8 \(0, 6, 3\)"),
        ({"images": {"front": np.zeros((6, 8, 3), np.float32)}}, "'front' gave float32"),
        ({"joints": np.zeros(3, np.float32)}, r"shape \(3,\), the policy expects 2: panda_joint1"),
        ({"joints": np.array([0.0, np.nan], np.float32)}, "panda_finger_joint1' is nan"),
        ({"joints": np.array([-np.inf, 0.0], np.float32)}, "panda_joint1' is -inf"),
        ({"stamp": float("nan")}, "stamp is nan"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(observation, change, text):
    with pytest.raises(QuantVLAError, match=text):
        check_observation(example_interface(), dataclasses.replace(observation, **change))
