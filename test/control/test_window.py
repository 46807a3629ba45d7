# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.plan import Piece, Plan
from quantvla_ros.control.window import WindowShape, build_window

NOW = 1.7e9
STOP = Piece(0.37, (0.0, 1.0, -1.0 / (2 * 0.37), 0.0, 0.0, 0.0))


@pytest.fixture
def plan() -> Plan:
    return Plan.resting(np.array([0.0, 3.0]), NOW + 0.02).replaced({0: [STOP]}, np.zeros(2))


def built(plan, before=2):
    """A window of the tick at NOW that departs 20 ms later from points at which the arm stood."""
    due = NOW + 0.02 * np.arange(1.0 - before, 1.0)
    return build_window(plan.sample(due), due, plan, NOW, NOW + 0.02, WindowShape(0.02, 0.2, 0.015))


def test_it_begins_with_points_that_are_due_and_ends_at_rest(plan) -> None:
    window = built(plan)
    assert window.stamp == NOW
    assert window.start == pytest.approx(NOW - 0.02, abs=1e-6)
    assert window.begin == pytest.approx(NOW + 0.02, abs=1e-6) and window.fresh == 2
    np.testing.assert_allclose(np.diff(window.times), 0.02, atol=1e-6)
    assert window.stamp + window.times[-1] >= plan.end
    assert len(window.times) == 22
    assert not window.velocities[-1].any() and not window.accelerations[-1].any()
    wanted = plan.sample(window.stamp + window.times)
    np.testing.assert_allclose(window.positions, wanted.position, atol=1e-6)
    np.testing.assert_allclose(window.velocities[:-1], wanted.velocity[:-1], atol=1e-6)


def test_it_may_be_late_by_what_is_left_until_it_departs_and_has_surely_come(plan) -> None:
    assert built(plan).patience_s == pytest.approx(0.02 - 0.015, abs=1e-6)


def test_an_arm_that_holds_is_told_to(plan) -> None:
    window = built(Plan.resting(np.array([3.0]), NOW))
    assert window.times[-1] >= 0.2
    np.testing.assert_array_equal(window.positions, 3.0)
    np.testing.assert_array_equal(window.velocities, 0.0)


def test_between_points_a_controller_interpolates_the_same_motion(plan) -> None:
    window = built(plan)
    for time in NOW + np.array([0.02, 0.033, 0.1, 0.201, 0.35]):
        for got, wanted in zip(window.sample(time), plan.sample(np.array([time])), strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-3)
    np.testing.assert_array_equal(window.sample(NOW + 9.0).position[0], window.positions[-1])
    with pytest.raises(ValueError, match="not begun"):
        window.sample(NOW - 0.03)


def test_what_is_told_its_value_is_told_that_of_the_tick(plan) -> None:
    late = built(plan, before=0)
    np.testing.assert_array_equal(late.now.position[0], late.positions[0])  # not due yet
    due = NOW - 0.1 + 0.02 * np.arange(6.0)
    moved = Plan.resting(np.array([0.0, 3.0]), NOW - 0.1).replaced({0: [STOP]}, np.zeros(2))
    window = build_window(moved.sample(due), due, moved, NOW, NOW + 0.02, WindowShape(0.02, 0.2))
    np.testing.assert_allclose(
        window.now.position, moved.sample(np.array([NOW])).position, atol=1e-4
    )
