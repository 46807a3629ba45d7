# SPDX-License-Identifier: Apache-2.0
"""The control room at the rates that the node may have, read by the controllers of three releases.

Times as messages carry them: whole nanoseconds.
"""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController
from quantvla_ros.sim.controller_release import RELEASES
from quantvla_ros.sim.trajectory_controller import (
    JointTrajectory,
    TrajectoryController,
    TrajectoryPoint,
)

DT, START, LATENCY = 0.1, 1.7e9, 0.12


def trajectory(window, names):
    points = [
        TrajectoryPoint(round(float(t), 9), p, v, a)
        for t, p, v, a in zip(
            window.times_from_start,
            window.positions,
            window.velocities,
            window.accelerations,
            strict=True,
        )
    ]
    return JointTrajectory(names, points, window.stamp)


@pytest.mark.parametrize("rate", [20, 50, 100, 200])
def test_windows_of_every_rate_are_accepted_by_every_release_and_keep_the_limits(
    limits, home, rate
) -> None:
    period, now = 1.0 / rate, START
    motion = MotionController(limits, period)
    controllers = [TrajectoryController(limits.names, home, r) for r in RELEASES.values()]
    motion.activate(now)
    motion.observe_joints(now, home, np.zeros(4))
    motion.arm(now)
    pending, chunks, speeds = None, 0, []
    for tick in range(round(3.0 * rate)):
        now += period
        if pending is not None and now >= pending + LATENCY:
            motion.note_latency(now - pending)
            due = pending - START + DT * np.arange(1, 17)
            motion.offer_chunk(home + 0.2 * np.sin(2 * due)[:, None], pending, DT)
            pending, chunks = None, chunks + 1
        elif pending is None and motion.wants_chunk(now):
            pending = now
        if tick == round(2.4 * rate):
            motion.raise_fault(FaultCode.STALE_CAMERA, "the test stops it", now)
        window = motion.tick(now)
        if window is None:
            break
        assert (np.diff(window.times_from_start) > 0).all()
        assert (np.abs(window.velocities) <= limits.velocity).all()
        assert (np.abs(window.accelerations) <= limits.acceleration).all()
        for controller in controllers:
            assert controller.submit(trajectory(window, limits.names), now) is None
            controller.sample(now)
        speeds.append(float(np.abs(window.velocities[0]).max()))
    assert motion.mode is Mode.FAULT and motion.at_rest and tick < 2.95 * rate
    assert chunks >= 2 and max(speeds) > 0.1
    first, *others = (c.sample(now + 5.0)[0] for c in controllers)
    for other in others:
        np.testing.assert_array_equal(first, other)
    assert motion.metrics.boundary_jump < 1e-4
