# SPDX-License-Identifier: Apache-2.0
"""How each fault is provoked on the simulated robot."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.whole_file import write_file

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from studies.fault_study.disturber import Disturber

SILENCEABLE = ("wrist", "joint_states")


@dataclass
class Scene:
    """The parts that a scenario can disturb: the robot, the topics, and the policy by its file."""

    operator: Operator
    disturber: Disturber
    mode: Path

    def behave(self, mode: str) -> None:
        """Tell the scripted policy what to do from now on; an empty word lets it wave."""
        write_file(self.mode, mode)

    def replace(self, source: str, offset_s: float, period_s: float) -> None:
        """Put the last message of a source, with other stamps, in place of the source."""
        self.operator.silence(source, True)
        self.disturber.replay(source, offset_s, period_s)

    def kill_worker(self) -> None:
        """End the inference process at once."""
        os.kill(int(self.operator.policy.diagnostics("inference")[1]["worker_pid"]), signal.SIGKILL)

    def heal(self) -> None:
        """End every disturbance."""
        self.behave("")
        self.disturber.heal()
        self.operator.misplace(0.0)
        for source in SILENCEABLE:
            self.operator.silence(source, False)


@dataclass(frozen=True)
class Scenario:
    """One provocation.

    Attributes:
        text: what it is in words.
        provoke: causes the fault.
        takes_s: about how long the fault takes to be raised, so that it can meet the arm at speed.
        prepare: runs before; an armed arm goes on.
        recover: runs after `Scene.heal`, when the arm rests.
    """

    text: str
    provoke: Callable[[Scene], None]
    takes_s: float = 0.0
    prepare: Callable[[Scene], None] = lambda _: None
    recover: Callable[[Scene], Any] = lambda _: None


SCENARIOS: dict[FaultCode, Scenario] = {
    FaultCode.STALE_CAMERA: Scenario(
        "the wrist camera falls silent", lambda s: s.operator.silence("wrist", True), 0.45
    ),
    FaultCode.STALE_JOINT_STATE: Scenario(
        "the joint states fall silent", lambda s: s.operator.silence("joint_states", True), 0.2
    ),
    FaultCode.JOINT_STATE_CONFLICT: Scenario(
        "another node publishes joint states too",
        lambda s: s.disturber.replay("joint_states", 0.0, 0.01),
    ),
    FaultCode.JOINT_JUMP: Scenario(
        # By the robot itself: messages of two publishers would be a conflict first.
        "the joint states jump by 1 rad",
        lambda s: s.operator.misplace(1.0),
    ),
    FaultCode.STATE_OUT_OF_RANGE: Scenario(
        "the policy moves a joint out of the range of its training",
        lambda s: s.behave("astray"),
        0.6,
        recover=lambda s: s.operator.reset_scene(),
    ),
    FaultCode.SKEWED_INPUTS: Scenario(
        "the wrist camera's stamps lag 0.3 s behind", lambda s: s.replace("wrist", -0.3, 0.1), 0.6
    ),
    FaultCode.CLOCK_JUMP: Scenario(
        "/clock is 5 s ahead for a moment",
        lambda s: s.disturber.jump_clock(5.0),
        prepare=lambda s: s.disturber.join_clock(),
    ),
    FaultCode.NONFINITE_ACTION: Scenario("the policy answers NaN", lambda s: s.behave("nan"), 0.2),
    FaultCode.LIMIT_VIOLATION: Scenario(
        "the policy asks for a position 4 rad beyond", lambda s: s.behave("outside"), 0.9
    ),
    FaultCode.CHUNK_UNDERRUN: Scenario(
        "every chunk comes too late to be used", lambda s: s.behave("late"), 1.1
    ),
    FaultCode.INFERENCE_TIMEOUT: Scenario("the policy hangs", lambda s: s.behave("hang"), 0.5),
    FaultCode.WORKER_DIED: Scenario(
        "the inference process is killed (SIGKILL)", lambda s: s.kill_worker()
    ),
    FaultCode.BACKEND_ERROR: Scenario(
        "the policy raises an error", lambda s: s.behave("raise"), 0.2
    ),
    FaultCode.TRACKING_ERROR: Scenario(
        "the joint states say that the arm stands",
        lambda s: s.replace("joint_states", 0.0, 0.01),
        0.42,  # begun where the wave turns, else it comes back before the tolerance is passed
    ),
    FaultCode.OUTPUT_CONFLICT: Scenario(
        "another node publishes on the command topic", lambda s: s.disturber.intrude()
    ),
    FaultCode.GRIPPER_FAILED: Scenario(
        "the gripper's controller goes away", lambda s: s.disturber.lose_gripper()
    ),
}
