# SPDX-License-Identifier: Apache-2.0
"""A gripper whose controller takes goals of an action: told on change, its results watched."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rclpy.publisher import Publisher

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.goal_pacing import GoalPacer
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.gripper import missing
from quantvla_ros.nodes.gripper_goals import GoalStage, GripperGoals

ANSWER_S = 2.0
"""A controller that has neither accepted nor rejected a goal for so long does not answer."""


class ActionGripper:
    """Sends goals where the wished position has changed.

    One goal is under way to the controller at a time: while one is not answered, the newest wish
    waits. The gripper moves there by its own driver's speed.
    """

    watched = False  # the result is: between goals the gripper goes its own way
    publishers: tuple[Publisher, ...] = ()

    def __init__(
        self, goals: GripperGoals, joint: str, pacer: GoalPacer, max_effort: float
    ) -> None:
        """Take the action's client.

        Args:
            goals: sends and watches.
            joint: of the gripper.
            pacer: says when a goal is worth sending.
            max_effort: of every goal, N or N m; 0: the controller's own.
        """
        self.joint = joint
        self.action = goals.action
        self._goals = goals
        self._pacer = pacer
        self._max_effort = max_effort
        self._end: float | None = None

    @property
    def state(self) -> str:
        """Stage of the newest goal with its positions."""
        report = self._goals.report
        stage: str = report.stage.value
        if report.stage is GoalStage.NONE:
            return stage
        at = "" if math.isnan(report.position) else f" at {report.position:.4g}"
        return f"{stage}{at}, goal {report.goal:.4g}"

    def begin(self) -> None:
        """Take the next wish for where the gripper is already, and forget older goals."""
        self._end = None
        self._pacer.begin()
        self._goals.forget()

    def prepared(self, window: Window, column: int) -> Callable[[], None]:
        """Make the wish of a window, which is its first point.

        Not its end, though the gripper could go there by itself: a stop would take that back, and
        with it a grip.
        """
        wish = float(window.now.position[0, column])
        end = float(window.positions[-1, column])

        def publish() -> None:
            self._end = end
            now = time.monotonic()
            if self._pacer.due(wish, now) and not self._unanswered:
                self._send(wish, now)

        return publish

    def settle(self) -> bool:
        """Send the end of the last window, unless it is the goal sent last."""
        if self._unanswered:
            return self._silent
        end, self._end = self._end, None
        if end is None or not self._pacer.differs(end):
            return True
        self._send(end, time.monotonic())
        return False

    def owns(self, goal: bytes) -> bool:
        """Whether a goal of the action is this node's."""
        return self._goals.owns(goal)

    def trouble(self) -> Condition | None:
        """Why the newest goal came to nothing; an object between the fingers is no trouble."""
        report = self._goals.report
        goal = f"position {report.goal:.4g} on {self.action}"
        if report.stage is GoalStage.TAKEN:
            return (
                FaultCode.OUTPUT_CONFLICT,
                f"the gripper's goal, {goal}, was cancelled or replaced by another client; end it",
            )
        if report.stage is GoalStage.REJECTED:
            return _failed(f"the gripper's controller rejected {goal}")
        if report.stage is GoalStage.FAILED:
            at = "" if math.isnan(report.position) else f" stopped at {report.position:.4g} and"
            return _failed(f"the gripper's controller gave up on {goal}: it{at} holds nothing")
        if self._silent:
            return _failed(f"the gripper's controller did not answer {goal} in {ANSWER_S:g} s")
        return None

    def absent(self) -> Condition | None:
        """Whether the action has no server."""
        if self._goals.there:
            return None
        others = self._goals.other_types()
        but = f", but {' and '.join(others)} goes by that name" if others else ""
        return missing(f"there is no action server {self.action} of {self._goals.type_name}{but}")

    def close(self) -> None:
        """Nothing: the client stays for the next session."""

    def _send(self, wish: float, now: float) -> None:
        self._pacer.told(wish, now)
        self._goals.send(self.joint, wish, self._max_effort)

    @property
    def _unanswered(self) -> bool:
        return self._goals.report.stage is GoalStage.ASKED

    @property
    def _silent(self) -> bool:
        report = self._goals.report
        return report.stage is GoalStage.ASKED and time.monotonic() - report.sent_at > ANSWER_S


def _failed(what: str) -> Condition:
    return FaultCode.GRIPPER_FAILED, f"{what}; look at its log"
