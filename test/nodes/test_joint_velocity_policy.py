# SPDX-License-Identifier: Apache-2.0
"""A policy that commands joint velocities through the real node to a trajectory controller."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_robot import JOINTS
from support.policy_graph import HORIZON, write_bundle
from support.spaces import ARM, FAST_ARM, action_space, state_space
from support.steady_policies import changed
from support.waiting import wait_until

SPEEDS = [0.12, -0.12, 0.0]  # rad/s


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Velocities that never change; its code is in fake_policies."""
    state, action = state_space((ARM, "rad", JOINTS)), action_space((FAST_ARM, "rad/s", JOINTS))
    path = tmp_path_factory.mktemp("fast") / "float"
    return write_bundle(path, **changed(state, action, SPEEDS, HORIZON))


@pytest.fixture(scope="module")
def parameters():
    return ("backend:=typical",)


def test_the_arm_moves_with_the_policys_velocities_and_stops(policy, robot):
    """Chunk after chunk begins where the joints are, so that the motion goes on as one."""
    policy.bring_to_motion()
    wait_until(lambda: abs(robot.setpoints[-1][1][0]) > 0.5, 60, "a way of half a radian")
    policy.bring_to_dry_run()
    times, positions, _ = map(np.array, zip(*robot.setpoints, strict=True))
    first, last = (int((np.abs(positions[:, 0]) > far).argmax()) for far in (0.1, 0.4))
    speeds = (positions[last] - positions[first]) / (times[last] - times[first])
    np.testing.assert_allclose(speeds, SPEEDS, atol=0.03)
    assert policy.count("inference", "chunks") >= 3
    robot.assert_within_limits()
