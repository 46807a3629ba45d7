# SPDX-License-Identifier: Apache-2.0
"""Each rule of the JointTrajectoryController has the test that carries its name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulation.controller_release import STRICTEST
from simulation.trajectory import JointTrajectory, TrajectoryPoint
from simulation.trajectory_controller import TrajectoryController

JOINTS = ("shoulder", "elbow")
AT_ONCE = replace(STRICTEST, commands_ahead=False)


def controller(positions=(0.0, 0.0), now=10.0):
    result = TrajectoryController(JOINTS, np.array(positions), AT_ONCE)
    result.update(now)
    return result


def trajectory(*points, stamp=0.0, names=JOINTS):
    return JointTrajectory(names, [TrajectoryPoint(*p) for p in points], stamp)


def derivative(function, t, h=1e-5):
    return (function(t + h) - function(t - h)) / (2 * h)


def test_holds_its_start_position_until_a_trajectory_comes():
    positions, velocities = controller((0.3, -0.2)).update(11.0)
    np.testing.assert_array_equal(positions, [0.3, -0.2])
    np.testing.assert_array_equal(velocities, [0, 0])


def test_stamp_zero_means_now():
    c = controller()
    assert c.submit(trajectory((1.0, (1.0, 2.0))), now=10.0) is None
    np.testing.assert_allclose(c.update(10.0)[0], [0, 0])
    np.testing.assert_allclose(c.update(10.5)[0], [0.5, 1.0])


def test_future_stamp_delays_the_points():
    c = controller()
    c.submit(trajectory((0.0, (1.0, 1.0)), (1.0, (2.0, 1.0)), stamp=12.0), now=10.0)
    c.update(10.0)
    np.testing.assert_allclose(c.update(11.0)[0], [0.5, 0.5])  # on the way to the first point
    np.testing.assert_allclose(c.update(12.0)[0], [1.0, 1.0])
    np.testing.assert_allclose(c.update(12.5)[0], [1.5, 1.0])


def test_past_stamp_joins_the_trajectory_where_it_is_now():
    c = controller()
    assert c.submit(trajectory((0.0, (0, 0)), (2.0, (2, 4)), stamp=9.0), now=10.0) is None
    np.testing.assert_allclose(c.update(10.0)[0], [1.0, 2.0])


def test_positions_only_is_linear_and_velocity_jumps():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 0.0)), (2.0, (4.0, 0.0))), now=10.0)
    c.update(10.0)
    np.testing.assert_allclose(c.update(10.25)[0], [0.25, 0])
    np.testing.assert_allclose(c.update(10.999)[1], [1.0, 0])
    np.testing.assert_allclose(c.update(11.001)[1], [3.0, 0])


def test_velocities_make_it_cubic():
    c = controller()
    c.submit(trajectory((1.0, (1.0, -1.0), (0.5, 0.2)), (2.0, (2.0, 0.0), (0, 0))), now=10.0)
    c.update(10.0)
    # Hermite: h(1/2) = (p0 + p1) / 2 + (v0 - v1) T / 8
    np.testing.assert_allclose(c.update(10.5)[0], [0.5 - 0.5 / 8, -0.5 - 0.2 / 8])
    np.testing.assert_allclose(c.update(11.0)[0], [1.0, -1.0])
    np.testing.assert_allclose(c.update(11.0)[1], [0.5, 0.2])
    np.testing.assert_allclose(c.update(11.5)[0], [1.5 + 0.5 / 8, -0.5 + 0.2 / 8])


def test_accelerations_make_it_quintic():
    c = controller()
    point = (1.0, (1.0, 0.4), (0.5, -0.1), (2.0, 0.3))
    c.submit(trajectory(point, (2.0, (1.0, 0.0), (0, 0), (0, 0))), now=10.0)
    c.update(10.0)

    def quintic(t, p1, v1, a1):  # from rest at 0 to (p1, v1, a1) at 1 s
        m = np.array([[1, 1, 1], [3, 4, 5], [6, 12, 20]])
        return np.linalg.solve(m, [p1, v1, a1]) @ [t**3, t**4, t**5]

    expected = [quintic(0.3, 1.0, 0.5, 2.0), quintic(0.3, 0.4, -0.1, 0.3)]
    np.testing.assert_allclose(c.update(10.3)[0], expected)


def test_velocities_are_the_derivative_of_the_positions():
    for width in (2, 3, 4):  # linear, cubic, quintic
        first = (0.7, (1.0, -0.3), (0.4, 0.1), (1.0, -2.0))[:width]
        last = (1.5, (0.2, 0.3), (0, 0), (0, 0))[:width]

        def at(t, column, points=(first, last)):
            c = controller((0.1, 0.2), now=0.0)
            c.submit(trajectory(*points), now=0.0)
            c.update(0.0)
            return c.update(t)[column]

        for t in (0.2, 0.5, 1.1):
            slope = derivative(lambda x, at=at: at(x, 0), t)
            np.testing.assert_allclose(at(t, 1), slope, atol=1e-6)


def test_every_message_replaces_the_whole_trajectory():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 0.0)), (2.0, (5.0, 5.0))), now=10.0)
    c.update(10.0)
    c.update(10.5)
    c.submit(trajectory((1.0, (0.0, 0.0))), now=10.5)
    c.update(10.5)
    np.testing.assert_allclose(c.update(11.0)[0], [0.25, 0])
    np.testing.assert_allclose(c.update(20.0)[0], [0, 0])  # 5, 5 is forgotten


def test_starts_from_the_desired_state_with_its_velocity():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 0.0), (1.0, 0.0)), (2.0, (2.0, 0.0), (0, 0))), now=10.0)
    for t in (10.0, 11.0):
        before = c.update(t)
    c.submit(trajectory((1.0, (1.5, 0.0), (0, 0))), now=11.0)
    np.testing.assert_allclose(c.update(11.0), before)
    np.testing.assert_allclose(c.update(11.01)[1], [1.0, 0], atol=0.05)


def test_holds_the_last_point_at_the_end():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 2.0))), now=10.0)
    c.update(10.0)
    positions, velocities = c.update(99.0)
    np.testing.assert_array_equal(positions, [1.0, 2.0])
    np.testing.assert_array_equal(velocities, [0, 0])


def test_joint_order_goes_by_name():
    c = controller()
    message = trajectory((1.0, (2.0, 1.0), (0, 0)), names=("elbow", "shoulder"))
    assert c.submit(message, now=10.0) is None
    c.update(10.0)
    np.testing.assert_allclose(c.update(11.0)[0], [1.0, 2.0])


def test_checks_neither_nan_nor_limits():
    c = controller()
    assert c.submit(trajectory((1.0, (np.nan, 1e6))), now=10.0) is None
    c.update(10.0)
    positions, _ = c.update(11.0)
    assert np.isnan(positions[0]) and positions[1] == 1e6


def test_time_never_goes_back():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 0.0))), now=10.0)
    c.update(10.0)
    np.testing.assert_array_equal(c.update(10.6)[0], c.update(10.2)[0])


def test_reset_forgets_the_trajectory_and_the_clock():
    c = controller()
    c.submit(trajectory((1.0, (1.0, 0.0))), now=10.0)
    c.update(10.5)
    c.reset(np.array([0.7, 0.7]))
    np.testing.assert_array_equal(c.update(1.0)[0], [0.7, 0.7])


GOOD = trajectory((0.5, (1.0, 1.0), (0.1, 0.1)), (1.0, (2.0, 2.0), (0.0, 0.0)))


def with_last(**changes):
    return replace(GOOD, points=[GOOD.points[0], replace(GOOD.points[1], **changes)])


REJECTED = {
    "missing_joint": (
        trajectory((1.0, (1.0,)), names=("shoulder",)),
        "missing joints: elbow",
    ),
    "unknown_joint": (
        trajectory((1.0, (1, 2, 3)), names=(*JOINTS, "wing")),
        "unknown joints: wing",
    ),
    "joint_named_twice": (
        trajectory((1.0, (1, 2, 3)), names=(*JOINTS, "elbow")),
        "named twice",
    ),
    "no_points": (trajectory(), "no points"),
    "equal_times": (with_last(time_from_start=0.5), "points 0 and 1 are not strictly rising"),
    "falling_times": (with_last(time_from_start=0.4), "not strictly rising"),
    "nonzero_last_velocity": (
        with_last(velocities=(0.0, 1e-3)),
        "velocity of elbow at the last point is 0.001",
    ),
    "end_in_the_past": (replace(GOOD, stamp=8.5), "0.500 s ago"),
    "no_positions": (with_last(positions=()), "point 1 has 0 positions for 2 joints"),
    "short_velocities": (with_last(velocities=(0.0,)), "point 1 has 1 velocities"),
    "long_accelerations": (with_last(accelerations=(0, 0, 0)), "point 1 has 3 accelerations"),
    "accelerations_without_velocities": (
        with_last(velocities=(), accelerations=(0, 0)),
        "accelerations but no velocities",
    ),
    "effort": (with_last(effort=(1.0, 1.0)), "effort"),
}


@pytest.mark.parametrize("rule", REJECTED)
def test_rejects(rule):
    message, reason = REJECTED[rule]
    c = controller()
    assert c.submit(GOOD, now=10.0) is None
    c.update(10.0)
    assert reason in c.submit(message, now=10.0)
    np.testing.assert_allclose(c.update(11.0)[0], [2.0, 2.0])  # the running one goes on


def test_last_velocity_within_float_precision_counts_as_zero():
    assert controller().submit(with_last(velocities=(1e-8, 0.0)), now=10.0) is None


def test_a_trajectory_that_ends_just_now_is_accepted():
    assert controller().submit(replace(GOOD, stamp=9.0), now=10.0) is None
