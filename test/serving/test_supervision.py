# SPDX-License-Identifier: Apache-2.0
"""Which condition becomes which fault of an armed arm; the graph is in test_policy_node_faults."""

from __future__ import annotations

import numpy as np
import pytest
from support.joint_worlds import observed_joints, trained_state
from support.session_parts import ListDrive, session_parts

pytest.importorskip("rclpy")

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.joint_sources import QUIET_S
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.supervision import Supervisor, tracking_tolerances

PERIOD, DT = 0.02, 0.1
LIMITS = JointLimits(("b", "a"), [-1.0] * 2, [1.0] * 2, [2.0] * 2, [9.0] * 2, [99.0] * 2)
DRIVE = ListDrive(LIMITS, ("a", "b"))
PARAMETERS = PolicyNodeParameters()


class Rig:
    """An armed arm that follows, or stays where `stuck` says; the bundle's order is a, b."""

    def __init__(self, std=1.0) -> None:
        self.now, self.skewed = 50.0, 0.0
        self.measured, self.stuck = [0.0, 0.5], None
        self.silent = set()
        self.target = np.array([0.5, 0.0])
        self.parts = session_parts(
            DRIVE, ["a", "b"], trained=trained_state(["a", "b"], std=std),
            publishers=" (told by two)",
        )  # fmt: skip
        self.buffer, self.graph = self.parts.robot.buffer, self.parts.graph
        self.supervisor = Supervisor(self.parts, lambda: self.skewed)
        self.motion = MotionController(LIMITS, PERIOD)
        self.motion.activate(self.now)
        self.sense()
        self.supervisor.begin_motion()
        self.motion.observe_joints(self.now, self.target, np.zeros(2))
        self.motion.arm(self.now)

    def sense(self) -> None:
        if "front" not in self.silent:
            self.buffer.add_frame("front", self.now, b"", self.now)
        if "joint_states" not in self.silent:
            self.buffer.add_joint_state(self.now, ["a", "b"], self.measured, [], self.now)

    def run(self, seconds: float):
        """Return the fault, as soon as there is one."""
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            self.sense()
            if self.motion.wants_chunk(self.now):
                self.motion.offer_chunk(np.tile(self.target, (16, 1)), self.now, DT)
            self.supervisor.watch(self.motion, self.now)
            window = self.motion.tick(self.now)
            if self.motion.fault is not None:
                return self.motion.fault
            if window is None:  # the arm is on its way to where the motion begins
                continue
            self.supervisor.published(window)
            self.measured = self.stuck or window.now.position[0][::-1].tolist()
        return None


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_arm_that_holds_with_fresh_inputs_has_no_fault(rig):
    assert rig.run(3.0) is None
    assert rig.motion.mode is Mode.ARMED
    assert rig.supervisor.tracking_ratio < 0.05, "joints are compared by name"


def test_arm_that_is_pushed_away_does_not_follow(rig):
    rig.run(1.0)
    rig.stuck = [0.0, 0.2]
    fault, window = rig.run(1.0), None
    assert fault.code is FaultCode.TRACKING_ERROR
    assert "'b' is 0.300 from its command" in fault.text
    for _ in range(100):
        rig.now += PERIOD
        window = rig.motion.tick(rig.now) or window
    assert window.positions[-1].tolist() == pytest.approx([0.2, 0.0]), "it presses no longer"


@pytest.mark.parametrize(
    ("source", "code"),
    [("front", FaultCode.STALE_CAMERA), ("joint_states", FaultCode.STALE_JOINT_STATE)],
)
def test_silent_source(rig, source, code):
    rig.run(1.0)
    rig.silent.add(source)
    silent_since = rig.now
    assert rig.run(1.0).code is code
    limits = PARAMETERS.gates()
    limit = limits.camera_age if source == "front" else limits.joint_age
    assert rig.now - silent_since == pytest.approx(limit, abs=2 * PERIOD)


def test_skew_and_conflict_refuse_arming_and_stop_the_arm(rig):
    rig.skewed = 9.0
    rig.graph.output.conflict = (FaultCode.OUTPUT_CONFLICT, "someone else")
    codes = [code for code, _ in rig.supervisor.before_arming(rig.now)]
    assert codes == [FaultCode.SKEWED_INPUTS, FaultCode.OUTPUT_CONFLICT]
    assert rig.run(1.0).code is FaultCode.SKEWED_INPUTS
    assert rig.motion.fault_counts[FaultCode.OUTPUT_CONFLICT] == 1, "all are counted"


def test_a_jump_stops_the_arm_and_names_the_publishers(rig):
    rig.buffer.know_joints(observed_joints(["a", "b"]))
    rig.run(1.0)
    rig.stuck = [0.0, 1.2]
    fault = rig.run(1.0)
    assert fault.code is FaultCode.JOINT_JUMP
    assert fault.text.startswith("joint 'b' is measured at 0.50 and at 1.20 within 0.020 s")
    assert fault.text.endswith(" (told by two)")
    assert rig.supervisor.before_arming(rig.now)[0][0] is FaultCode.JOINT_JUMP


def test_a_jump_before_arming_refuses_it_for_a_while_and_is_no_fault(rig):
    """A simulation resets its scene."""
    rig.buffer.know_joints(observed_joints(["a", "b"]))
    rig.motion.disarm(rig.now)
    refused = 0
    for k in range(100):
        rig.now += PERIOD
        rig.measured = [0.0, 0.5] if k < 50 else [0.9, -0.5]
        rig.sense()
        refused += bool(rig.supervisor.before_arming(rig.now))
        rig.supervisor.watch(rig.motion, rig.now)
        rig.motion.tick(rig.now)
    assert refused == pytest.approx(QUIET_S / PERIOD, abs=2)
    assert rig.motion.fault is None


def test_a_state_far_from_the_training_refuses_arming_and_stops_the_arm():
    rig = Rig(std=0.08)
    assert rig.run(1.0) is None
    rig.target = np.array([0.9, 0.0])
    fault = rig.run(2.0)
    assert fault.code is FaultCode.STATE_OUT_OF_RANGE
    assert "joint 'b' is measured at 0.8" in fault.text
    assert "the policy was trained between -0.80 and 0.80" in fault.text
    assert rig.supervisor.before_arming(rig.now)[0][0] is FaultCode.STATE_OUT_OF_RANGE


def test_policy_that_asks_for_the_impossible(rig):
    rig.run(1.0)
    rig.target = np.array([0.5, 1.3])
    fault = rig.run(5.0)
    assert fault.code is FaultCode.LIMIT_VIOLATION
    assert "'a'" in fault.text


def test_measured_outside_the_limits_refuses_arming(rig):
    rig.now += PERIOD
    rig.measured = [0.0, -1.5]
    rig.sense()
    ((code, text),) = rig.supervisor.before_arming(rig.now)
    assert code is FaultCode.LIMIT_VIOLATION
    assert "'b'" in text


def test_faults_are_raised_of_an_armed_arm_only(rig):
    rig.run(0.5)
    rig.motion.disarm(rig.now)
    rig.silent = {"front", "joint_states"}
    assert rig.run(0.0) is None
    for _ in range(100):
        rig.now += PERIOD
        rig.supervisor.watch(rig.motion, rig.now)
        rig.motion.tick(rig.now)
    assert rig.motion.mode is Mode.DRY_RUN
    assert rig.motion.fault is None


def test_tolerance_of_zero_and_an_axis_that_is_not_measured_are_not_watched():
    assert tracking_tolerances(DRIVE, {"b": 0.0, "a": 0.3}).tolist() == [np.inf, 0.3]
    assert np.isnan(tracking_tolerances(DRIVE, {"b": 0.0})[1])
    half = ListDrive(LIMITS, ("a", "b"))
    half.watched = np.array([True, False])
    assert tracking_tolerances(half, {"a": 0.3})[1] == np.inf


@pytest.mark.parametrize(
    ("velocities", "watched", "named"),
    [([0.01, 0.2], False, "b"), ([-0.2, 0.0], False, "a"), ([0.01, -0.01], False, ""),
     ([0.2, 0.2], True, "")],
)  # fmt: skip
def test_a_moving_joint_is_named_where_the_axes_say_nothing_of_it(velocities, watched, named):
    """The tip of an `ee_delta` policy counts as resting, whatever the arm does."""
    drive = ListDrive(LIMITS, ("a", "b"))
    drive.watched = np.array([True, watched])
    parts = session_parts(drive, ["a", "b"])
    supervisor, buffer = Supervisor(parts, lambda: 0.0), parts.robot.buffer
    assert supervisor.moving_joint() == ""
    buffer.add_joint_state(1.0, ["a", "b"], [0.0, 0.0], velocities, 1.0)
    assert supervisor.moving_joint() == named


def test_arming_is_refused_closer_to_the_limits_than_an_armed_arm_is_stopped(rig):
    rig.measured = [0.0, 1.0 + 0.03]  # of b, with 2 rad/s: 0.02 at arming, 0.2 when armed
    rig.now += 1.0
    rig.sense()
    refused = [text for code, text in rig.supervisor.before_arming(rig.now)
               if code is FaultCode.LIMIT_VIOLATION]  # fmt: skip
    assert len(refused) == 1 and "'b' is measured at 1.030" in refused[0]
    assert rig.supervisor.at_once(np.array([1.19, 0.0]), rig.now) is None
    assert rig.supervisor.at_once(np.array([1.21, 0.0]), rig.now)[0] is FaultCode.LIMIT_VIOLATION


def test_two_clocks_refuse_arming_and_are_named_when_an_armed_arms_clock_jumps(rig):
    rig.graph.clocks.conflict = (FaultCode.CLOCK_JUMP, "2 publishers of /clock: /a, /b")
    assert rig.supervisor.before_arming(rig.now)[0] == rig.graph.clocks.conflict
    assert rig.supervisor.refusals(rig.now)[0] == rig.graph.clocks.conflict
    assert rig.run(0.2) is None, "they do not differ yet"
    rig.supervisor.clock.start(10.0, 10.0)
    fault = rig.supervisor.clock_fault(15.0, 10.01)
    assert fault.jumped
    assert fault.text == "the ROS clock jumped ahead by 5.000 s: 2 publishers of /clock: /a, /b"
