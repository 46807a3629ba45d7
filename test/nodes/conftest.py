# SPDX-License-Identifier: Apache-2.0
"""A fake robot for the tests' process and policy nodes in processes of their own.

A test file overrides `make_robot`, `bundle` or `parameters` where its robot, policy or node is
another one.
"""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def make_robot(ros):
    """What makes the robot: a trajectory controller and two cameras on real topics."""
    from support.fake_robot import FakeRobot

    return FakeRobot


@pytest.fixture(scope="module")
def robot(make_robot):
    """Ends with its module, for the next one may bring another robot into the same ROS domain."""
    robot = make_robot()
    yield robot
    robot.close()


@pytest.fixture(scope="session")
def float_bundle(tmp_path_factory):
    """A tiny float bundle."""
    from support.policy_graph import write_bundle

    return write_bundle(tmp_path_factory.mktemp("bundle") / "float")


@pytest.fixture(scope="module")
def bundle(float_bundle):
    """The policy of the module's node."""
    return float_bundle


@pytest.fixture(scope="module")
def parameters():
    """Further parameters of the module's node."""
    return ()


@pytest.fixture(scope="module")
def policy(robot, bundle, parameters, tmp_path_factory):
    """A policy node in a process, configured and active, with a client; one for each module."""
    from support.policy_graph import active_policy

    with active_policy(robot, bundle, tmp_path_factory.mktemp("policy"), *parameters) as policy:
        yield policy


@pytest.fixture
def moving(policy):
    """The policy node, armed and with the robot moving; left in dry run afterwards."""
    policy.bring_to_motion()
    yield policy
    policy.bring_to_dry_run()
