# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController
from quantvla_ros.errors import QuantVLAError

PERIOD, DT, START = 0.02, 0.1, 1.7e9
SHAPE = np.array([0.3, 0.15, 0.3, 0.01])


class Rig:
    """A controller with a clock, an arm that follows exactly, and a policy that waves."""

    def __init__(self, limits, home) -> None:
        self.home = home
        self.now = START
        self.c = MotionController(limits, PERIOD)
        self.window = None
        self.c.activate(self.now)
        self.see(home)

    def see(self, position, velocity=0.0) -> None:
        self.c.observe_joints(self.now, position, np.full(4, velocity))

    def chunk(self, rows: int = 16) -> FaultCode | None:
        t = self.now + DT * np.arange(1, rows + 1) - START
        return self.c.offer_chunk(self.home + np.sin(2 * t)[:, None] * SHAPE, self.now, DT)

    def run(self, seconds: float, feed: bool = False) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            if feed and self.c.wants_chunk(self.now):
                self.chunk()
            self.window = self.c.tick(self.now)

    def until_rest(self) -> np.ndarray:
        """Tick on until nothing is published; return the first points [K, n] of the windows."""
        firsts = []
        for _ in range(200):
            self.now += PERIOD
            window = self.c.tick(self.now)
            if window is None:
                return np.array(firsts)
            firsts.append(window.positions[0])
            self.window = window
        raise AssertionError("the arm does not come to rest")

    def speed(self) -> float:
        return float(np.abs(self.window.velocities[0]).max())


@pytest.fixture
def rig(limits, home) -> Rig:
    return Rig(limits, home)


@pytest.fixture
def moving(rig) -> Rig:
    rig.c.arm(rig.now)
    rig.run(1.4, feed=True)
    assert rig.speed() > 0.2
    return rig


def test_inactive_does_nothing(limits, home) -> None:
    c = MotionController(limits, PERIOD)
    assert c.mode is Mode.INACTIVE and c.at_rest
    assert c.tick(START) is None and not c.wants_chunk(START)
    assert c.offer_chunk(np.full((4, 4), np.nan), START, DT) is None
    with pytest.raises(QuantVLAError, match="INACTIVE"):
        c.arm(START)


def test_dry_run_takes_chunks_and_commands_nothing(rig) -> None:
    assert rig.c.mode is Mode.DRY_RUN and rig.c.wants_chunk(rig.now)
    rig.run(3.0, feed=True)
    assert rig.window is None and rig.c.path is not None
    rig.run(3.0)
    assert rig.c.fault is None and rig.c.path is None and rig.c.wants_chunk(rig.now)


def test_activate_twice_is_refused(rig) -> None:
    with pytest.raises(QuantVLAError, match="DRY_RUN"):
        rig.c.activate(rig.now)


def test_arming_begins_at_the_measured_position_at_rest(rig, home) -> None:
    rig.run(0.5, feed=True)
    measured = home + 0.03
    measured[3] = 0.01
    rig.see(measured)
    rig.c.arm(rig.now)
    rig.run(PERIOD)
    np.testing.assert_allclose(rig.window.positions[0], measured, atol=1e-3)
    assert rig.speed() < 0.1
    rig.run(2.0, feed=True)
    asked = rig.c.path.sample(rig.window.stamp + rig.window.times_from_start[:1])
    np.testing.assert_allclose(rig.window.positions[0], asked.position[0], atol=1e-3)


def test_arming_needs_a_fresh_joint_state_of_a_resting_arm(limits, home) -> None:
    c = MotionController(limits, PERIOD)
    c.activate(START)
    with pytest.raises(QuantVLAError, match="no joint state"):
        c.arm(START)
    c.observe_joints(START, np.full(4, np.nan), np.zeros(4))
    with pytest.raises(QuantVLAError, match="no joint state"):
        c.arm(START)
    c.observe_joints(START, home, np.zeros(4))
    with pytest.raises(QuantVLAError, match=r"0\.60 s old"):
        c.arm(START + 0.6)
    c.observe_joints(START + 0.6, home, np.array([0.0, 1.0, 0.0, 0.0]))
    with pytest.raises(QuantVLAError, match="'elbow' is moving"):
        c.arm(START + 0.6)
    assert c.mode is Mode.DRY_RUN
    c.observe_joints(START + 0.6, home, np.zeros(4))
    c.arm(START + 0.6)
    c.arm(START + 0.6)
    assert c.mode is Mode.ARMED


def test_an_armed_arm_without_a_chunk_holds(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.run(3.0)
    assert rig.c.mode is Mode.ARMED and rig.c.fault is None
    np.testing.assert_allclose(rig.window.positions, np.tile(home, (len(rig.window.positions), 1)))
    assert not rig.window.velocities.any()


def test_the_waving_policy_is_followed(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.run(2.0, feed=True)
    for _ in range(100):
        rig.run(PERIOD, feed=True)
        at = rig.window.stamp + rig.window.times_from_start[0] - START
        wish = home + np.sin(2 * at) * SHAPE
        np.testing.assert_allclose(rig.window.positions[0], wish, atol=5e-3)
    assert rig.c.metrics.chunk_switches >= 3 and rig.c.metrics.boundary_jump < 1e-4


def test_disarm_decelerates_along_the_path_into_dry_run(moving) -> None:
    path = moving.c.path
    moving.c.disarm(moving.now)
    assert moving.c.mode is Mode.STOPPING and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="STOPPING"):
        moving.c.arm(moving.now)
    assert not moving.c.wants_chunk(moving.now)
    stops_along(path, moving)
    assert moving.c.mode is Mode.DRY_RUN


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_decelerates_along_the_path(moving, code) -> None:
    path = moving.c.path
    moving.c.raise_fault(code, "provoked", moving.now)
    assert moving.c.mode is Mode.FAULT and not moving.c.at_rest
    stops_along(path, moving)
    assert moving.c.mode is Mode.FAULT and moving.c.fault.code is code


def stops_along(path, moving) -> None:
    """Let the arm come to rest: soon, and nowhere off the path that it was on."""
    firsts = moving.until_rest()
    assert moving.c.at_rest
    assert 0.25 < len(firsts) * PERIOD < 0.7
    t = np.linspace(moving.now - 1.0, moving.now + 0.2, 6000)
    line = path.sample(t).position
    distance = np.abs(firsts[:, None, :3] - line[None, :, :3]).max(axis=2).min(axis=1)
    assert distance.max() < 3e-3


def test_disarm_elsewhere_changes_nothing(rig) -> None:
    rig.c.disarm(rig.now)
    assert rig.c.mode is Mode.DRY_RUN


def test_deactivate_decelerates_first(moving) -> None:
    moving.c.deactivate(moving.now)
    assert moving.c.mode is Mode.STOPPING and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="STOPPING"):
        moving.c.activate(moving.now)
    assert len(moving.until_rest()) > 10
    assert moving.c.mode is Mode.INACTIVE and moving.c.at_rest
    moving.c.activate(moving.now)
    assert moving.c.mode is Mode.DRY_RUN


def test_deactivate_at_rest_is_immediate(rig) -> None:
    rig.c.deactivate(rig.now)
    assert rig.c.mode is Mode.INACTIVE


def test_deactivate_while_disarming_ends_inactive(moving) -> None:
    moving.c.disarm(moving.now)
    moving.run(0.1)
    moving.c.deactivate(moving.now)
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE


@pytest.mark.parametrize("code", list(FaultCode))
def test_every_fault_leads_to_rest_and_is_latched(moving, limits, code) -> None:
    moving.c.raise_fault(code, "because", moving.now)
    assert moving.c.mode is Mode.FAULT and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="still decelerates"):
        moving.c.reset_fault(moving.now)
    moving.until_rest()
    assert moving.c.fault.code is code and moving.c.fault.text == "because"
    assert moving.c.at_rest and not moving.window.velocities[-1].any()
    moving.run(2.0, feed=True)
    assert moving.window is None and moving.c.mode is Mode.FAULT
    with pytest.raises(QuantVLAError, match=code.value):
        moving.c.arm(moving.now)
    moving.c.reset_fault(moving.now)
    assert moving.c.mode is Mode.DRY_RUN and moving.c.fault is None
    moving.run(0.5, feed=True)
    assert moving.window is None
    moving.see(moving.home)
    moving.c.arm(moving.now)
    moving.run(0.5, feed=True)
    assert moving.c.mode is Mode.ARMED and moving.window is not None


def test_the_first_fault_stays_and_all_are_counted(moving) -> None:
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "one", moving.now)
    moving.c.raise_fault(FaultCode.WORKER_DIED, "two", moving.now)
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "three", moving.now)
    assert moving.c.fault.text == "one"
    assert moving.c.fault_counts == {FaultCode.STALE_CAMERA: 2, FaultCode.WORKER_DIED: 1}


def test_a_fault_at_rest_latches_at_once(rig) -> None:
    rig.c.raise_fault(FaultCode.STALE_CAMERA, "one", rig.now)
    assert rig.c.mode is Mode.FAULT and rig.c.at_rest
    rig.c.reset_fault(rig.now)
    assert rig.c.mode is Mode.DRY_RUN


def test_a_fault_of_an_armed_arm_that_holds_is_at_rest_with_the_next_tick(rig) -> None:
    rig.c.arm(rig.now)
    rig.run(0.1)
    rig.c.raise_fault(FaultCode.WORKER_DIED, "one", rig.now)
    rig.run(PERIOD)
    assert rig.window is None and rig.c.at_rest and rig.c.mode is Mode.FAULT


def test_a_fault_survives_deactivation(moving) -> None:
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "one", moving.now)
    moving.c.deactivate(moving.now)
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE
    moving.c.activate(moving.now)
    assert moving.c.mode is Mode.FAULT
    moving.c.deactivate(moving.now)
    moving.c.reset_fault(moving.now)
    assert moving.c.mode is Mode.INACTIVE and moving.c.fault is None


def test_a_fault_while_deactivating_still_ends_inactive(moving) -> None:
    moving.c.deactivate(moving.now)
    moving.run(0.1)
    moving.c.raise_fault(FaultCode.WORKER_DIED, "one", moving.now)
    assert moving.c.mode is Mode.FAULT
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE and moving.c.fault.code is FaultCode.WORKER_DIED


def test_nothing_to_reset_is_said(rig) -> None:
    with pytest.raises(QuantVLAError, match="no fault"):
        rig.c.reset_fault(rig.now)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((16, 4), np.nan),
        np.array([[0.0, 0.0, np.inf, 0.0]]),
        np.zeros((16, 3)),
        np.zeros((0, 4)),
        np.zeros(4),
    ],
)
def test_a_bad_chunk_moves_nothing(rig, home, bad) -> None:
    rig.c.arm(rig.now)
    rig.run(0.1)
    assert rig.c.offer_chunk(bad, rig.now, DT) is FaultCode.NONFINITE_ACTION
    assert rig.c.mode is Mode.FAULT and rig.c.fault.code is FaultCode.NONFINITE_ACTION
    for first in rig.until_rest():
        np.testing.assert_array_equal(first, home)


def test_a_bad_chunk_names_the_joint_and_stops_a_moving_arm(moving) -> None:
    bad = np.tile(moving.home, (16, 1))
    bad[3, 2] = np.nan
    assert moving.c.offer_chunk(bad, moving.now, DT) is FaultCode.NONFINITE_ACTION
    assert "'wrist'" in moving.c.fault.text and "row 3" in moving.c.fault.text
    assert np.isfinite(moving.until_rest()).all()
    assert moving.c.offer_chunk(moving.home[None], moving.now, np.nan) is not None


def test_a_chunk_that_runs_out_is_an_underrun_and_stops_on_its_path(moving) -> None:
    last = moving.now
    moving.run(0.5)
    assert moving.c.mode is Mode.ARMED
    moving.run(1.6)
    assert moving.c.fault.code is FaultCode.CHUNK_UNDERRUN
    assert moving.c.fault.stamp - last < 1.6
    assert moving.c.at_rest


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
    held = moving.window.positions[0].copy()
    moving.run(1.0, feed=True)
    assert moving.speed() > 0.05 or np.abs(moving.window.positions[0] - held).max() > 0.05


def test_dropping_in_dry_run_forgets_the_path(rig) -> None:
    rig.run(0.2, feed=True)
    assert rig.c.path is not None
    rig.c.drop_chunks(rig.now)
    assert rig.c.path is None and rig.c.wants_chunk(rig.now)


def test_arming_on_a_chunk_about_to_run_out_holds_instead(rig, home) -> None:
    rig.chunk()
    rig.run(1.35)
    rig.see(home)
    rig.c.arm(rig.now)
    rig.run(1.0)
    assert rig.c.mode is Mode.ARMED and rig.c.fault is None
    np.testing.assert_array_equal(rig.window.positions[0], home)


def test_the_next_chunk_is_wanted_a_latency_before_its_turn(rig) -> None:
    for _ in range(20):
        rig.c.note_latency(0.2)
    rig.c.arm(rig.now)
    rig.run(PERIOD)
    rig.chunk()
    assert not rig.c.wants_chunk(rig.now)
    rig.run(PERIOD)
    taken = rig.now + rig.c.config.transport_margin_s
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


def test_time_never_runs_backwards(moving) -> None:
    window = moving.window
    for now in (moving.now, moving.now - 0.5, moving.now):
        again = moving.c.tick(now)
        assert again.stamp == window.stamp
        np.testing.assert_allclose(again.positions[0], window.positions[0], atol=1e-12)


def test_a_late_tick_goes_on_where_the_arm_really_is(moving) -> None:
    window = moving.window
    moving.now += 0.13
    late = moving.c.tick(moving.now)
    at = late.stamp + late.times_from_start[0]
    np.testing.assert_allclose(late.positions[0], window.sample(at).position[0], atol=1e-5)
    assert at > window.stamp + window.times_from_start[0] + 0.12


def test_the_path_clamps_and_limits_are_counted_by_joint(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.c.offer_chunk(np.tile(home + np.array([9.0, 0, 0, 0]), (16, 1)), rig.now, DT)
    rig.run(0.6)
    assert rig.c.clamped["shoulder"] > 5 and rig.c.clamped["elbow"] == 0
    assert rig.c.limited["shoulder"] > 5 and rig.c.limited["wrist"] == 0


def test_a_config_of_its_own_is_used(limits) -> None:
    c = MotionController(limits, PERIOD, MotionConfig(transport_margin_s=0.05))
    assert c.config.transport_margin_s == 0.05


def test_nothing_is_committed_while_no_chunk_moves_the_arm(rig) -> None:
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None
    rig.chunk()
    rig.run(0.1)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None  # dry run
    rig.c.arm(rig.now)
    rig.run(0.1)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is not None
    assert rig.c.committed(rig.now - 0.5, DT, 16, rig.now) is None  # was not commanded then
    rig.c.drop_chunks(rig.now)
    assert rig.c.committed(rig.now, DT, 16, rig.now) is None


def test_committed_rows_are_what_is_executed_until_the_next_chunk_takes_over(moving) -> None:
    for _ in range(5):
        moving.c.note_latency(0.2)
    stamp, asked = moving.now - 0.24, moving.now
    rows = moving.c.committed(stamp, DT, 16, asked)
    due = stamp + DT * np.arange(1, len(rows.points) + 1)
    assert rows.committed == (due <= asked + 0.2 + 0.02 + 1e-6).sum() == 4
    executed = {}
    while moving.now < asked + 0.2:
        moving.run(PERIOD)
        executed[round((moving.now + 0.02 - START) / PERIOD)] = moving.window.positions[0]
    for row in range(rows.committed):
        if due[row] > asked + 0.02:
            tick = round((due[row] - START) / PERIOD)
            np.testing.assert_allclose(rows.points[row], executed[tick], atol=2e-3)
    end = moving.c._schedule.end
    assert due[-1] <= end + 1e-6 < due[-1] + DT  # never beyond the chunk in execution
