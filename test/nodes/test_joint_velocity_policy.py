# SPDX-License-Identifier: Apache-2.0
"""A policy that commands joint velocities through the real node to a trajectory controller."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_robot import JOINTS
from support.spaces import ARM, FAST_ARM
from support.untrained import save_untrained
from support.waiting import wait_until

SPEED = 0.12  # rad/s
DT, HORIZON = 0.1, 30


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A network with random weights whose velocities are all but equal."""
    state, moves = ((ARM, "rad", JOINTS),), ((FAST_ARM, "rad/s", JOINTS),)
    speeds, spread = [SPEED, -SPEED, 0.0], [1e-4] * 3
    path = tmp_path_factory.mktemp("fast") / "float"
    return save_untrained(path, state, moves, speeds, spread, horizon=HORIZON)


@pytest.fixture(scope="module")
def parameters():
    return ("backend:=reference", "inference_timeout_s:=20.0")


def test_the_arm_moves_with_the_policys_velocities_and_stops(policy, robot):
    """Chunk after chunk begins where the joints are, so that the motion goes on as one."""
    policy.bring_to_motion()
    wait_until(lambda: np.abs(robot.setpoints[-1][1]).max() > 0.5, 60, "a way of half a radian")
    policy.bring_to_dry_run()
    times, positions, _ = map(np.array, zip(*robot.setpoints, strict=True))
    begun = np.abs(positions[:, 0]) > 0.1
    far = np.abs(positions[:, 0]) > 0.4
    first, last = int(begun.argmax()), int(far.argmax())
    span = times[last] - times[first]
    speeds = (positions[last] - positions[first]) / span
    np.testing.assert_allclose(speeds, [SPEED, -SPEED, 0.0], atol=0.2 * SPEED)
    assert policy.count("inference", "chunks") >= 3
    robot.assert_within_limits()
