# SPDX-License-Identifier: Apache-2.0
"""A fake robot for the tests' process and policy nodes in processes of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def robot(ros):
    """A robot on real topics: a trajectory controller and two cameras.

    It ends with its module, for the next one may bring another robot into the same ROS domain.
    """
    from support.fake_robot import FakeRobot

    robot = FakeRobot()
    yield robot
    robot.close()


@pytest.fixture(scope="session")
def float_bundle(tmp_path_factory):
    """A tiny float bundle."""
    from support.policy_graph import write_bundle

    return write_bundle(tmp_path_factory.mktemp("bundle") / "float")


@pytest.fixture(scope="module")
def policy(robot, float_bundle, tmp_path_factory):
    """A policy node in a process, configured and active, with a client; one for each module."""
    from support.policy_graph import active_policy

    with active_policy(robot, float_bundle, tmp_path_factory.mktemp("policy")) as policy:
        yield policy


@pytest.fixture
def moving(policy):
    """The policy node, armed and with the robot moving; left in dry run afterwards."""
    policy.bring_to_motion()
    yield policy
    policy.bring_to_dry_run()
