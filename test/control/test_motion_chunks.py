# SPDX-License-Identifier: Apache-2.0
"""From chunks to windows: following, replacing, asking, committing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.motion_rig import DT, PERIOD, SHAPE, START

from quantvla_ros.control.config import Mode
from quantvla_ros.control.reference import DUE_S


def test_the_waving_policy_is_followed(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.run(2.0, feed=True)
    for _ in range(100):
        rig.run(PERIOD, feed=True)
        wish = home + np.sin(2 * (rig.window.begin - START)) * SHAPE
        np.testing.assert_allclose(rig.first, wish, atol=5e-3)
    assert rig.c.metrics.chunk_switches >= 3 and rig.c.metrics.boundary_jump < 1e-4


def test_a_late_chunk_is_dropped_and_counted(moving) -> None:
    old = moving.now - 2.0
    moving.c.offer_chunk(np.tile(moving.home + 1.0, (16, 1)), old, DT)
    before = moving.c.path
    moving.run(PERIOD)
    assert moving.c.metrics.late_chunks == 1
    t = moving.now + np.array([0.3])
    np.testing.assert_array_equal(moving.c.path.sample(t).position, before.sample(t).position)


def test_dropped_chunks_let_the_arm_hold_and_the_next_one_moves_it(moving) -> None:
    moving.c.drop_chunks(moving.now)
    assert moving.c.wants_chunk(moving.now)
    moving.c.drop_chunks(moving.now)
    moving.run(3.0)
    assert moving.c.mode is Mode.ARMED and moving.speed() < 1e-6
    held = moving.first.copy()
    moving.run(1.0, feed=True)
    assert moving.speed() > 0.05 or np.abs(moving.first - held).max() > 0.05


def test_dropping_in_dry_run_forgets_the_path(rig) -> None:
    rig.run(0.2, feed=True)
    assert rig.c.path is not None
    rig.c.drop_chunks(rig.now)
    assert rig.c.path is None and rig.c.wants_chunk(rig.now)


def test_arming_forgets_the_chunks_of_the_dry_run(rig, home) -> None:
    rig.chunk()
    rig.run(0.2)
    rig.see(home)
    rig.c.arm(rig.now)
    assert rig.c.wants_chunk(rig.now)
    rig.run(1.0)
    assert rig.c.mode is Mode.ARMED and rig.c.fault is None
    np.testing.assert_array_equal(rig.first, home)


def test_the_next_chunk_is_wanted_a_latency_before_its_turn(rig) -> None:
    for _ in range(20):
        rig.c.note_latency(0.2)
    rig.c.arm(rig.now)
    rig.run(rig.c.config.blend_s + 0.1)
    rig.chunk()
    assert not rig.c.wants_chunk(rig.now)
    rig.run(PERIOD)
    taken = rig.window.begin
    while not rig.c.wants_chunk(rig.now):
        rig.run(PERIOD)
    ahead = taken + 0.8 - rig.now
    assert ahead == pytest.approx(0.2 + rig.c.config.request_margin_s, abs=PERIOD + 1e-3)


def test_a_slow_policy_is_asked_before_a_stop_would_be_due(rig) -> None:
    for _ in range(20):
        rig.c.note_latency(1.0)
    rig.c.arm(rig.now)
    rig.chunk()
    rig.run(PERIOD)
    while not rig.c.wants_chunk(rig.now):
        rig.run(PERIOD)
    assert rig.now - START < 0.4


def test_the_path_clamps_and_limits_are_counted_by_joint(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.c.offer_chunk(np.tile(home + np.array([9.0, 0, 0, 0]), (16, 1)), rig.now, DT)
    rig.run(0.7)
    assert rig.c.clamped["shoulder"] > 5 and rig.c.clamped["elbow"] == 0
    assert rig.c.limited["shoulder"] > 5 and rig.c.limited["wrist"] == 0


def test_nothing_is_committed_while_no_chunk_moves_the_arm(rig) -> None:
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None
    rig.chunk()
    rig.run(0.1)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None  # dry run
    rig.c.arm(rig.now)
    rig.run(0.4, feed=True)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is not None
    assert rig.c.committed(rig.now - 0.7, DT, 16, rig.now) is None  # was not commanded then
    rig.c.drop_chunks(rig.now)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None


def test_committed_rows_are_what_is_executed_until_the_next_chunk_takes_over(moving) -> None:
    for _ in range(5):
        moving.c.note_latency(0.2)
    stamp, asked = moving.now - 0.24, moving.now
    rows = moving.c.committed(stamp, DT, 16, asked)
    due = stamp + DT * np.arange(1, len(rows.points) + 1)
    lead = PERIOD + moving.c.config.transport_margin_s
    assert rows.committed == (due <= asked + 0.2 + lead + 1e-6).sum() == 4
    taken_over = moving.window.begin
    while moving.window.begin < asked + 0.3:
        moving.run(PERIOD)
    for row in range(rows.committed):
        if due[row] > taken_over:
            executed = moving.c._reference.commanded.at(float(due[row]))
            np.testing.assert_allclose(rows.points[row], executed, atol=2e-3)
    end = moving.c._schedule.end
    assert due[-1] <= end + 1e-6 < due[-1] + DT  # never beyond the chunk in execution


@pytest.mark.parametrize("stall_s", [0.03, 0.12, 0.3, 0.8])
@pytest.mark.parametrize("stopping", [False, True])
def test_a_window_that_was_not_published_is_as_if_it_had_not_been_made(
    moving, stall_s, stopping
) -> None:
    """The controller goes on with the window before; the next one continues that."""
    published = moving.window
    if stopping:
        moving.c.disarm(moving.now)
    moving.run(PERIOD)
    counted = moving.c.metrics.windows
    moving.c.withdraw()
    moving.c.withdraw()
    assert moving.c.metrics.windows == counted
    moving.now += stall_s
    moving.run(PERIOD)
    if moving.window is None:
        assert stopping and moving.c.mode is Mode.DRY_RUN  # it has come to rest meanwhile
        return
    assert moving.c.metrics.windows == counted  # the newest one does not count yet
    for at in np.arange(max(moving.window.start, published.start), moving.window.begin, 0.003):
        for new, old in zip(moving.window.sample(at), published.sample(at), strict=True):
            np.testing.assert_allclose(new, old, atol=1e-9)
    if stopping:
        moving.until_rest()
        assert moving.c.mode is Mode.DRY_RUN


def test_an_arm_is_told_once_to_go_from_where_the_controller_holds_it(rig, home) -> None:
    """An arm that sags is measured below its setpoint; a first point soon would be a jump, and
    another window on the way a new beginning."""
    rig.c.arm(rig.now)
    armed = rig.now
    rig.run(PERIOD)
    approach = rig.window
    assert approach.start == approach.begin == pytest.approx(armed + rig.c.config.blend_s)
    while rig.now < armed + rig.c.config.blend_s + DUE_S - 1.5 * PERIOD:
        rig.run(PERIOD)
        assert rig.window is None and not rig.c.at_rest
    rig.run(2 * PERIOD)
    assert approach.start <= rig.window.start <= rig.now - DUE_S + 1e-6
    np.testing.assert_array_equal(rig.window.positions[0], home)


def test_an_approach_that_could_not_leave_is_told_again(rig) -> None:
    rig.c.arm(rig.now)
    for _ in range(3):
        rig.run(PERIOD)
        assert rig.window is not None
        rig.c.withdraw()


def test_windows_of_a_motion_have_their_points_at_the_same_times(moving) -> None:
    knots = [moving.window.stamp + moving.window.times]
    for seconds in (0.02, 0.013, 0.031, 0.07, 0.02):
        moving.now += seconds
        window = moving.c.tick(moving.now)
        knots.append(window.stamp + window.times)
    for before, after in pairwise(knots):
        common = np.intersect1d(before, after)
        assert len(common) == (after <= before[-1]).sum() - (after < before[0]).sum()
