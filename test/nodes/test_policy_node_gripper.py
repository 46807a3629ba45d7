# SPDX-License-Identifier: Apache-2.0
"""A policy of joints whose gripper has a forward_command_controller of its own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.gripper_robot import FORWARDED, GripperRobot
from support.waiting import wait_until

from quantvla_ros.control.reference import DUE_S
from quantvla_ros.serving.stamps import seconds_of


@pytest.fixture(scope="module")
def make_robot(ros):
    return GripperRobot


@pytest.fixture(scope="module")
def parameters():
    return FORWARDED


def first_joint(window, seconds):
    """Where the first joint is to be so long after the window's first point."""
    at = [seconds_of(point.time_from_start) for point in window.points]
    return np.interp(seconds, at, [point.positions[0] for point in window.points])


def test_the_gripper_is_commanded_beside_the_trajectory(moving, robot):
    wait_until(lambda: len(robot.grips) > 150, 30, "3 s of commands")
    windows, grips = list(robot.windows), list(robot.grips)
    assert {tuple(window.joint_names) for window in windows} == {("joint1", "joint2")}
    assert {len(window.points[0].positions) for window in windows} == {2}
    # A busy listener loses messages of either topic, so they are not counted against each other.
    came, positions = np.array(grips).T
    # A node that left out one in two would be seen by the shortest times between commands.
    assert np.percentile(np.diff(came), 10) < 0.024
    assert np.ptp(came) > 0.8 * 0.02 * (len(came) - 1)
    # All joints move alike, so a command equals that of its window at its tick, unless the window
    # was lost. Ticks lie between two points, always as far: one or two periods after the first.
    errors = []
    for tick in np.arange(DUE_S, DUE_S + 0.02, 1e-3):
        told = np.array([first_joint(window, tick) for window in windows])
        errors.append(np.median(np.abs(positions[:, None] - told).min(axis=1)))
    assert min(errors) < 1e-3
    # The policy swings all joints alike: position 0.4 sin(0.9 t).
    times, measured, _ = zip(*list(robot.setpoints)[-200:], strict=True)
    off = np.abs(np.array(measured) - 0.4 * np.sin(0.9 * np.array(times))[:, None])
    assert (np.median(off, axis=0) < 0.06).all(), "of most: a busy listener hears late"
    robot.assert_within_limits()


def disarm(policy):
    policy.client.arm(False)


def damage_a_chunk(policy):
    policy.behave("nan")


@pytest.mark.parametrize(("stop", "message"), [(disarm, "DRY_RUN"), (damage_a_chunk, "NONFINITE")])
def test_a_stop_brings_the_gripper_to_rest_too(moving, robot, stop, message):
    wait_until(lambda: robot.speed > 0.25, 10, "a fast swing")
    stop(moving)
    moving.wait_for(message)
    wait_until(lambda: robot.silence > 0.5 and robot.at_rest, 10, "rest")
    came, commands = np.array(robot.grips).T
    assert time.monotonic() - came[-1] > 0.3, "the gripper is not commanded any more"
    assert np.abs(np.diff(commands[-30:])).max() > 0.003, "it moved when the stop began"
    # The arm's joints were told the same, and their last trajectory ends at rest.
    last = [point.positions[0] for point in robot.windows[-1].points]
    assert commands[-1] == pytest.approx(last[0], abs=0.01)
    assert commands[-1] == pytest.approx(last[-1], abs=0.02), "it was stopped on its way"
    robot.assert_within_limits()
