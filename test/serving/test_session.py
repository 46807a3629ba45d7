# SPDX-License-Identifier: Apache-2.0
"""A session without a graph and without an inference process, by a clock of the test's own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.session_parts import HandClock, ListDrive, session_parts

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.parameter_table import validate
from quantvla_ros.serving.threaded_session import ThreadedSession

NOW, DT = 10.0, 0.1
NAMES = ("elbow", "wrist")
HOME = np.array([0.4, -0.2])


class Rig:
    """A session, the clock, and what was published; the arm is where it was at first."""

    def __init__(self) -> None:
        ones = np.ones(2)
        limits = JointLimits(NAMES, -3 * ones, 3 * ones, 2 * ones, 5 * ones, 100 * ones)
        self.clock, self.stall_s = HandClock(NOW), 0.0
        self.errors = []
        self.drive = ListDrive(limits, NAMES)
        self.drive.while_preparing = self.stall
        self.windows = self.drive.windows
        parameters = validate({"tracking_lag_s": 5.0, "clock_timeout_s": 0.2})
        parts = session_parts(
            self.drive, NAMES, parameters, self.clock, tolerances=np.full(2, np.inf), simulated=True
        )
        self.period, self.buffer = parts.period_s, parts.robot.buffer
        self.inputs = parts.robot.inputs
        self.session = lambda: ThreadedSession(parts, lambda: None, self.errors.append)

    @property
    def now(self) -> float:
        return self.clock.time

    def see(self) -> None:
        self.buffer.add_frame("front", self.now - 0.01, b"picture", self.now)
        self.buffer.add_joint_state(self.now - 0.01, list(NAMES), HOME, [0.0, 0.0], self.now)

    def stall(self) -> None:
        """The thread may be put aside here."""
        time.sleep(self.stall_s)
        self.clock.time += self.stall_s

    def step(self, session) -> None:
        """One control step, which takes a period."""
        self.see()
        began = self.now
        session.control.step(time.monotonic())
        self.clock.time = max(self.now, began + self.period)


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def moving(rig):
    """A session whose arm is under way."""
    rig.see()
    session = rig.session()
    session.begin()
    session.arm()
    rows = HOME + 0.1 * np.arange(1, 31)[:, None]
    session.motion.offer_chunk(rows, rig.now, DT)
    for _ in range(30):
        rig.step(session)
    last = rig.windows[-1]
    assert len(rig.windows) > 15 and last.velocities[last.fresh].min() > 0.3
    return session


def test_the_joint_state_that_came_before_the_session_is_enough_to_arm(rig):
    rig.see()
    motion = rig.session().motion
    motion.activate(NOW)
    motion.arm(NOW)
    assert motion.mode is Mode.ARMED
    np.testing.assert_array_equal(motion.tick(NOW).positions[0], HOME)


@pytest.mark.parametrize("call", ["disarm", "drop", "measure", "deactivate"])
def test_a_far_time_between_two_ticks_does_not_reach_the_motion(rig, moving, call):
    """/clock says for a moment that it is years later, just when somebody asks for something."""
    before = rig.now
    rig.clock.time += 1e9
    if call == "disarm":
        moving.disarm()
    elif call == "drop":
        rig.inputs.on_instruction()
    elif call == "measure":
        rig.inputs.on_joints(rig.buffer.newest_joints())
    else:
        moving.control.wait_for_rest = lambda: None
        moving.deactivate()
    rig.clock.time = before
    rig.step(moving)
    assert moving.motion.now < before + 1.0
    for _ in range(100):
        rig.step(moving)
    if call in ("disarm", "deactivate"):
        assert moving.motion.at_rest


def test_a_stop_is_not_older_than_the_window_before_it_while_the_clock_stands(
    rig, moving, monkeypatch
):
    told = []
    monkeypatch.setattr(rig.drive, "idle", lambda now: told.append(now) or True)
    moving.motion.end()
    last = rig.windows[-1].stamp
    rig.clock.time -= rig.period  # as it was at the last step
    moving.control.step(time.monotonic())
    assert told == [last] and last > rig.now


def test_a_stop_after_the_clock_went_back_bears_the_new_time(rig, moving, monkeypatch):
    told = []
    monkeypatch.setattr(rig.drive, "idle", lambda now: told.append(now) or True)
    moving.motion.end()
    rig.clock.time -= 5.0
    moving.control.step(time.monotonic())
    assert told == [rig.now]


def test_without_a_joint_state_it_refuses_to_arm(rig):
    motion = rig.session().motion
    motion.activate(NOW)
    with pytest.raises(QuantVLAError, match="no joint state has arrived"):
        motion.arm(NOW)


@pytest.mark.parametrize("stall_s", [0.05, 0.15])
def test_a_window_that_is_late_is_not_published_and_the_next_one_continues_the_last(
    rig, moving, stall_s
):
    last = rig.windows[-1]
    rig.stall_s = stall_s
    rig.step(moving)
    assert rig.windows[-1] is last and moving.record.withdrawn == 1
    rig.stall_s = 0.0
    rig.step(moving)
    after = rig.windows[-1]
    assert after is not last
    for at in np.linspace(max(after.start, last.start), after.begin, 9):
        for new, old in zip(after.sample(at), last.sample(at), strict=True):
            np.testing.assert_allclose(new, old, atol=1e-9)


def test_an_arm_that_no_command_reaches_any_more_does_not_move_on_by_itself(rig, moving):
    rig.stall_s = 0.05
    for _ in range(8):
        rig.step(moving)
    assert moving.motion.fault.code is FaultCode.CLOCK_JUMP
    assert "no command could leave in time for 0." in moving.motion.fault.text
    rig.stall_s = 0.0
    for _ in range(60):
        rig.step(moving)
    assert moving.motion.at_rest and rig.windows[-1].velocities[-1].tolist() == [0.0, 0.0]


def test_what_was_still_to_be_said_is_forgotten_when_it_begins_again(rig):
    rig.see()
    session = rig.session()
    session.activate()
    session.deactivate()
    assert rig.drive.begun == 1


def test_a_refused_arm_does_not_tell_the_receiver_to_listen(rig):
    told = []
    rig.drive.before_arming = lambda: told.append(rig.now)
    session = rig.session()
    with pytest.raises(QuantVLAError, match="STALE"):
        session.arm()
    rig.see()
    with pytest.raises(QuantVLAError, match="INACTIVE"):
        session.arm()
    assert told == []


def test_it_can_be_activated_again_after_the_clock_stood_still_while_it_was_deactivated(rig):
    rig.see()
    session = rig.session()
    session.activate()
    with session.lock:
        session.motion.arm(rig.now)
        session.motion.offer_chunk(HOME + np.ones((30, 1)), rig.now, DT)
    time.sleep(0.1)
    session.deactivate()  # nothing has moved the clock
    assert session.motion.mode is Mode.INACTIVE and session.motion.at_rest
    session.activate()
    assert session.active and session.motion.mode in (Mode.DRY_RUN, Mode.FAULT)
    session.deactivate()
    assert rig.errors == []
