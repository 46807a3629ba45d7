# SPDX-License-Identifier: Apache-2.0
"""A session without a graph and without an inference process, by a clock of the test's own."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from joint_worlds import trained_state

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.drive import JointDrive
from quantvla_ros.nodes.input_buffer import InputBuffer
from quantvla_ros.nodes.parameter_model import validate
from quantvla_ros.nodes.session import PolicySession

NOW, DT = 10.0, 0.1
NAMES = ("elbow", "wrist")
HOME = np.array([0.4, -0.2])


class Rig:
    """A session, the clock, and what was published; the arm is where it was at first."""

    def __init__(self) -> None:
        ones = np.ones(2)
        limits = JointLimits(NAMES, -3 * ones, 3 * ones, 2 * ones, 5 * ones, 100 * ones)
        self.now, self.stall_s = NOW, 0.0
        self.windows, self.errors = [], []
        self.drive = JointDrive(limits, NAMES, SimpleNamespace(), None)
        self.drive.prepared = self.prepared
        client = SimpleNamespace(poll=lambda: None, busy=False, running=True, close=lambda: None)
        parameters = validate({"tracking_lag_s": 5.0, "clock_timeout_s": 0.2})
        self.period = 1.0 / parameters.control_rate_hz
        self.buffer = InputBuffer(["front"], list(NAMES), parameters.gates)
        self.session = lambda: PolicySession(
            parameters=lambda: parameters,
            manifest=SimpleNamespace(
                interface=SimpleNamespace(cameras=[SimpleNamespace(name="front")]),
                calibration=None,
            ),
            drive=self.drive,
            tolerances=np.full(2, np.inf),
            client=client,
            inputs=SimpleNamespace(
                graph=SimpleNamespace(look=lambda: None),
                publishers=SimpleNamespace(look=lambda: None, text=""),
            ),
            buffer=self.buffer,
            now=lambda: self.now,
            clocks=SimpleNamespace(simulated=True, conflict=None, look=lambda: None),
            output=SimpleNamespace(conflict=None, look=lambda: None),
            display=SimpleNamespace(),
            trained=trained_state(NAMES),
            report=lambda: None,
            on_error=self.errors.append,
        )

    def see(self) -> None:
        self.buffer.add_frame("front", self.now - 0.01, b"picture", self.now)
        self.buffer.add_joint_state(self.now - 0.01, list(NAMES), HOME, [0.0, 0.0], self.now)

    def prepared(self, window):
        """The thread may be put aside here."""
        time.sleep(self.stall_s)
        self.now += self.stall_s
        return lambda: self.windows.append(window)

    def step(self, session) -> None:
        """One control step, which takes a period."""
        self.see()
        began = self.now
        session.control.step(time.monotonic())
        self.now = max(self.now, began + self.period)


@pytest.fixture
def rig():
    return Rig()


@pytest.fixture
def moving(rig):
    """A session whose arm is under way."""
    rig.see()
    session = rig.session()
    session.supervisor.clock.start(rig.now, time.monotonic())
    session.motion.activate(rig.now)
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
    moving._threads = [SimpleNamespace(stop=lambda: None, realtime=False)]  # as if it were active
    rig.now, before = rig.now + 1e9, rig.now
    if call == "disarm":
        moving.disarm()
    elif call == "drop":
        moving.inputs.on_instruction()
    elif call == "measure":
        moving.inputs.on_joints(rig.buffer.newest_joints())
    else:
        moving.control.wait_for_rest = lambda: None
        moving.deactivate()
    rig.now = before
    rig.step(moving)
    assert moving.motion.now < before + 1.0
    for _ in range(100):
        rig.step(moving)
    if call in ("disarm", "deactivate"):
        assert moving.motion.at_rest


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
    begun = []
    rig.drive.begin = lambda: begun.append(rig.now)
    session = rig.session()
    session.activate()
    session.deactivate()
    assert begun == [NOW]


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
