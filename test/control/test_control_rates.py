# SPDX-License-Identifier: Apache-2.0
"""The control room at the rates that the node may have, and the controllers of three releases."""

from __future__ import annotations

import numpy as np
import pytest

from calib_tools.common.setpoints import ControllerSetup, replay, window_trajectory
from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController
from simulation.controller_release import RELEASES

DT, START, LATENCY = 0.1, 1.7e9, 0.12


@pytest.mark.parametrize("rate", [20, 50, 100, 200])
def test_windows_of_every_rate_are_accepted_by_every_release_and_keep_the_limits(
    limits, home, rate
) -> None:
    period, now = 1.0 / rate, START
    motion = MotionController(limits, period, together=np.array([0, 0, 0, 1]))
    arrivals = []
    motion.activate(now)
    motion.observe_joints(now, home, np.zeros(4))
    motion.arm(now)
    pending, chunks, speeds = None, 0, []
    for tick in range(round(4.0 * rate)):
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
            if motion.at_rest:
                break
            continue
        window_end = window.positions[-1]
        assert (np.diff(window.times) > 0).all()
        arrivals.append((now - START, window_trajectory(window, limits.names, START)))
        speeds.append(float(np.abs(window.velocities[window.fresh]).max()))
    assert motion.mode is Mode.FAULT and motion.at_rest and tick <= 3.2 * rate
    assert chunks >= 2 and max(speeds) > 0.1
    rng = np.random.default_rng(0)
    for release in RELEASES.values():
        for controller_rate in (50.0, 100.0, 250.0, 500.0, 1000.0):
            setup = ControllerSetup(release, controller_rate)
            setpoints = replay(arrivals, home, setup, rng)
            assert max(setpoints.shares(motion._limits)) <= 1.0
            np.testing.assert_array_equal(setpoints.positions[-1], window_end)
    assert motion.metrics.boundary_jump < 1e-9
    shares = motion.metrics.as_dict()
    assert 0.1 < shares["max_velocity_ratio"] <= 1 and 0.3 < shares["max_jerk_ratio"] <= 1
