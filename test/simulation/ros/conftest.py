# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def robots(ros):
    from support.simulated_node import Robots

    robots = Robots()
    yield robots
    robots.end()


@pytest.fixture
def robot(robots):
    return robots.running()


@pytest.fixture
def joint_states(robot, graph):
    from sensor_msgs.msg import JointState
    from support.simulated_node import START
    from support.waiting import wait_until

    from quantvla_ros.nodes import qos

    messages = graph.listen(JointState, "/joint_states", qos.SENSOR)
    wait_until(lambda: messages or not robot.alive, START, "a joint state")
    assert robot.alive, robot.output
    return messages
