# SPDX-License-Identifier: Apache-2.0
"""A session without a graph and without an inference process: only what it takes over."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from quantvla_ros.control.config import Mode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.drive import JointDrive
from quantvla_ros.nodes.input_buffer import InputBuffer
from quantvla_ros.nodes.parameter_model import validate
from quantvla_ros.nodes.session import PolicySession

NOW = 10.0
NAMES = ("elbow", "wrist")


def session(buffer):
    ones = np.ones(2)
    limits = JointLimits(NAMES, -3 * ones, 3 * ones, ones, ones, ones)
    unused = SimpleNamespace(conflict=None)
    return PolicySession(
        parameters=lambda: validate({}),
        manifest=SimpleNamespace(interface=SimpleNamespace(cameras=[])),
        drive=JointDrive(limits, NAMES, unused, None),
        tolerances=ones,
        client=unused,
        inputs=SimpleNamespace(),
        buffer=buffer,
        now=lambda: NOW,
        simulated=False,
        output=unused,
        display=unused,
        report=lambda: None,
        on_error=lambda error: None,
    )


@pytest.fixture
def buffer():
    return InputBuffer([], list(NAMES), validate({}).gates)


def test_the_joint_state_that_came_before_the_session_is_enough_to_arm(buffer):
    buffer.add_joint_state(NOW - 0.01, list(NAMES), [0.4, -0.2], [0.0, 0.0], NOW)
    motion = session(buffer).motion
    motion.activate(NOW)
    motion.arm(NOW)
    assert motion.mode is Mode.ARMED
    np.testing.assert_array_equal(motion.tick(NOW).positions[0], [0.4, -0.2])


def test_without_a_joint_state_it_refuses_to_arm(buffer):
    motion = session(buffer).motion
    motion.activate(NOW)
    with pytest.raises(QuantVLAError, match="no joint state has arrived"):
        motion.arm(NOW)
