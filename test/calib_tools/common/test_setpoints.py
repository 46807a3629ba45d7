# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from calib_tools.common.setpoints import ControllerSetup, Setpoints, Shares, replay
from calib_tools.system.trace import HeardSetpoints
from quantvla_ros.control.limits import JointLimits
from simulation.controller_release import find_release
from simulation.trajectory import JointTrajectory, TrajectoryPoint

LIMITS = JointLimits(("a", "b"), [-9.0] * 2, [9.0] * 2, [2.0, 1.0], [8.0, 4.0], [90.0] * 2)


def test_rates_of_a_cubic_are_found_at_uneven_times() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.001, 0.003, 400))
    times -= times[0]
    way = 0.1 * times + 0.5 * times**2 + 2.0 * times**3
    setpoints = Setpoints(times, np.stack([way, 0 * way], axis=1))
    end = times[-1]
    shares = setpoints.shares(LIMITS)
    assert shares.velocity == pytest.approx((0.1 + end + 6 * end**2) / 2.0, rel=0.02)
    assert shares.acceleration == pytest.approx((1.0 + 12 * end) / 8.0, rel=0.02)
    assert shares.jerk == pytest.approx(12.0 / 90.0, rel=1e-3)
    assert Shares(0.1, 0.9, 0.2).joined(Shares(0.3, 0.1, 0.1)) == (0.3, 0.9, 0.2)


def heard(*points, scene="0", begin=5.0):
    return SimpleNamespace(
        joint_names=["b", "a"],
        header=SimpleNamespace(
            stamp=SimpleNamespace(sec=int(begin), nanosec=round(begin % 1 * 1e9)), frame_id=scene
        ),
        points=[
            SimpleNamespace(
                positions=values,
                time_from_start=SimpleNamespace(sec=0, nanosec=2_000_000 * k),
            )
            for k, values in enumerate(points)
        ],
    )


def test_a_reset_and_a_pause_begin_another_run() -> None:
    found = HeardSetpoints(["a", "b"])
    found.take(heard([0.0, 1.0], [0.1, 1.1]))
    found.take(heard([0.2, 1.2], begin=5.004))
    found.take(heard([7.0, 7.0], scene="1", begin=5.006))
    found.take(heard([8.0, 8.0], scene="1", begin=5.206))
    first, *others = found.runs()
    np.testing.assert_allclose(first.times, [5.0, 5.002, 5.004])
    np.testing.assert_allclose(first.positions, [[1.0, 0.0], [1.1, 0.1], [1.2, 0.2]])
    assert [len(run.times) for run in others] == [1, 1]
    assert found.newest().positions[0].tolist() == [8.0, 8.0]
    assert found.shares(LIMITS).velocity == pytest.approx(100 * 0.1 / 0.2 / 1.0)
    found.clear()
    assert len(found.newest().times) == 0 and found.shares(LIMITS) == Shares()


def test_a_window_that_begins_in_the_future_makes_a_real_controller_jump() -> None:
    """Why windows begin with points that are due: each approach doubles a step."""
    times = np.arange(0.0, 2.0, 0.02)
    arrivals = []
    for now in times[:50]:
        first = now + 0.02
        points = [
            TrajectoryPoint(0.02 * k, (0.5 * (first + 0.02 * k),), (0.5 * (k < 9),), (0.0,))
            for k in range(10)
        ]
        arrivals.append((now, JointTrajectory(("a",), points, first)))
    limits = JointLimits(("a",), [-9.0], [9.0], [1.0], [10.0], [100.0])
    humble = ControllerSetup(find_release("humble"), 500.0)
    jazzy = ControllerSetup(find_release("jazzy"), 500.0)
    rng = np.random.default_rng(0)
    for setup in (humble, jazzy):
        moving = replay(arrivals, np.array([-0.0]), setup, rng, after_s=0.0)
        late = Setpoints(moving.times[300:], moving.positions[300:])
        assert late.shares(limits).acceleration > 10.0
