# SPDX-License-Identifier: Apache-2.0
"""Windows of a real motion are in order; each thing that a node must not do is found in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.motion_rig import PERIOD, Rig

from calib_tools.common.panda_limits import panda_limits
from quantvla_ros.control.limits import JointLimits
from studies.driven_system import CommandedWindow
from studies.fuzz.command_check import wrong
from studies.fuzz.message_study import _Study

JOINTS = [0, 1, 2, 7]


@pytest.fixture(scope="module")
def limits():
    """Three joints of the robot, and its finger."""
    of, rows = panda_limits(), ("lower", "upper", "velocity", "acceleration", "jerk")
    return JointLimits(tuple(of.names[j] for j in JOINTS), *(getattr(of, r)[JOINTS] for r in rows))


@pytest.fixture(scope="module")
def windows(limits):
    """A wave of two seconds, chunk after chunk, and its stop."""
    rig, found = Rig(limits, np.array([0.0, -0.5, 0.5, 0.02])), []

    def run(seconds, feed):
        for _ in range(round(seconds / PERIOD)):
            rig.run(PERIOD, feed)
            if (w := rig.window) is not None:
                times = w.stamp + w.times
                states = w.positions, w.velocities, w.accelerations
                found.append(CommandedWindow(times, *states))

    rig.c.arm(rig.now)
    run(2.0, feed=True)
    rig.c.disarm(rig.now)
    run(1.0, feed=False)
    assert rig.c.at_rest and len(found) > 100
    assert max(np.abs(w.velocities).max() for w in found) > 0.4
    return found


def changed(window, field, row, value):
    values = getattr(window, field).copy()
    values[row, 1] = value
    return replace(window, **{field: values})


def test_a_motion_is_in_order_also_where_windows_were_lost(windows, limits) -> None:
    assert wrong([], limits) == []
    assert wrong(windows, limits) == []
    for every in (2, 3, 7):
        assert wrong(windows[::every], limits) == []


@pytest.mark.parametrize(
    ("field", "row", "value", "text"),
    [
        ("velocities", 3, -3.0, "velocities of 1.379 of their limit"),
        ("accelerations", 3, 9.0, "accelerations of 1.200 of their limit"),
        ("accelerations", 3, np.nan, "accelerations of nan of their limit"),
        ("velocities", -1, 0.1, "a window that does not end at rest"),
        ("positions", 5, 9.0, "a position of 'panda_joint2' 7.237200 outside its limits"),
        ("positions", 5, np.nan, "a position of 'panda_joint2' nan outside its limits"),
    ],
)
def test_each_thing_beyond_a_limit_is_found(windows, limits, field, row, value, text) -> None:
    assert text in wrong([changed(windows[60], field, row, value)], limits)


def test_a_joint_that_was_found_a_little_outside_may_only_come_in(windows, limits) -> None:

    def held(beyond):
        positions = np.tile(windows[0].positions[0], (len(windows[0].times), 1))
        positions[:, 3] = limits.upper[3] + beyond
        still = np.zeros_like(positions)
        return replace(windows[0], positions=positions, velocities=still, accelerations=still)

    assert wrong([held(0.0005), held(0.0005), held(0.0004)], limits) == []
    told = "a position of 'panda_finger_joint1' {} outside its limits"
    assert told.format("0.000510") in wrong([held(0.0005), held(0.00051)], limits)
    assert told.format("0.000500") in wrong([held(-0.001), held(0.0005)], limits)
    assert told.format("0.010000") in wrong([held(0.01)], limits)


def test_a_jump_is_found_whichever_joint_jumps(windows, limits) -> None:
    old, new = windows[60:62]
    for joint in range(4):
        jump = np.zeros(4)
        jump[joint] = 0.005
        (text,) = wrong([old, replace(new, positions=new.positions + jump)], limits)
        assert text == "a step of 0.0050 from one window to the next"


def test_a_window_out_of_order_is_found(windows, limits) -> None:
    (text,) = wrong([windows[61], windows[60]], limits)
    assert text == "a window that begins before the one before it"


def test_in_dry_run_every_command_is_wrong(windows, limits) -> None:
    study = _Study.__new__(_Study)
    study.windows, study.limits = windows[:2], limits
    assert study._wrong(moving=False) == ["2 commands in dry run"]
    assert study._wrong(moving=True) == []
    study.windows = [windows[61], windows[60]]
    assert len(study._wrong(moving=True)) == 1
