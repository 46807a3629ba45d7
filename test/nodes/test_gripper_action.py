# SPDX-License-Identifier: Apache-2.0
"""What an action gripper sends and makes of the answers, without a graph."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.goal_pacing import GoalPacer
from quantvla_ros.control.window import Window
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import gripper_action
from quantvla_ros.nodes.gripper_action import ANSWER_S, ActionGripper
from quantvla_ros.nodes.gripper_goals import GoalReport, GoalStage
from quantvla_ros.nodes.gripper_messages import GripperMessages


class Goals:
    """A client of the action that keeps what it is given."""

    action = "/hand/gripper_cmd"
    type_name = "control_msgs/action/GripperCommand"
    there = True
    others: tuple[str, ...] = ()

    def __init__(self):
        self.sent = []
        self.report = GoalReport()

    def send(self, joint, position, max_effort):
        self.sent.append((joint, position, max_effort))
        self.report = GoalReport(GoalStage.ASKED, position, sent_at=gripper_action.time.monotonic())

    def other_types(self):
        return self.others

    def become(self, stage, position=math.nan):
        self.report = GoalReport(stage, self.report.goal, position, self.report.sent_at)

    def forget(self):
        self.report = GoalReport()


class Clock:
    """In place of the module `time`."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(gripper_action, "time", clock)
    return clock


@pytest.fixture
def goals():
    return Goals()


@pytest.fixture
def gripper(goals, clock):
    return ActionGripper(goals, "finger", GoalPacer(0.04, 0.2), 5.0)


def tell(gripper, position, end=None):
    rows = np.array([[position], [position if end is None else end]])
    still = np.zeros_like(rows)
    gripper.prepared(Window(0.0, np.array([0.02, 0.04]), rows, still, still), 0)()


def test_a_newer_wish_waits_for_the_answer_to_the_goal_before(gripper, goals, clock):
    tell(gripper, 0.04)
    tell(gripper, 0.02)
    assert goals.sent == [("finger", 0.02, 5.0)]
    clock.now += 1.0
    tell(gripper, 0.01)
    assert len(goals.sent) == 1
    goals.become(GoalStage.MOVING)
    tell(gripper, 0.005)
    assert goals.sent[1:] == [("finger", 0.005, 5.0)]


def test_a_motion_that_ends_is_told_where_once_it_can_be(gripper, goals, clock):
    tell(gripper, 0.04)
    tell(gripper, 0.02, end=0.018)
    assert not gripper.settle() and len(goals.sent) == 1
    goals.become(GoalStage.MOVING)
    assert not gripper.settle() and goals.sent[1][1] == 0.018
    goals.become(GoalStage.REACHED, 0.018)
    assert gripper.settle() and gripper.settle() and len(goals.sent) == 2
    gripper.begin()
    tell(gripper, 0.018)
    assert gripper.settle() and len(goals.sent) == 2


def test_a_controller_that_does_not_answer_holds_up_no_end(gripper, goals, clock):
    tell(gripper, 0.04)
    tell(gripper, 0.02)
    assert gripper.trouble() is None and not gripper.settle()
    clock.now += ANSWER_S + 0.1
    code, text = gripper.trouble()
    assert code is FaultCode.GRIPPER_FAILED and "did not answer position 0.02" in text
    assert gripper.settle()


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        (GoalStage.NONE, None), (GoalStage.ASKED, None), (GoalStage.MOVING, None),
        (GoalStage.REACHED, None), (GoalStage.HOLDING, None),
        (GoalStage.REJECTED, FaultCode.GRIPPER_FAILED),
        (GoalStage.FAILED, FaultCode.GRIPPER_FAILED),
        (GoalStage.TAKEN, FaultCode.OUTPUT_CONFLICT),
    ],
)  # fmt: skip
def test_what_becomes_of_a_goal(gripper, goals, stage, code):
    tell(gripper, 0.04)
    tell(gripper, 0.02)
    goals.become(stage)
    trouble = gripper.trouble()
    assert (trouble and trouble[0]) == code
    assert trouble is None or "nan" not in trouble[1]
    assert stage.value in gripper.state
    gripper.begin()
    assert gripper.trouble() is None and gripper.state == "no goal"


def test_a_server_that_is_missing_or_of_another_type_is_named(gripper, goals):
    assert gripper.absent() is None
    goals.there = False
    assert "no action server /hand/gripper_cmd of control_msgs/action/Grip" in gripper.absent()[1]
    goals.others = ("control_msgs/action/ParallelGripperCommand",)
    assert ", but control_msgs/action/ParallelGripperCommand goes by that" in gripper.absent()[1]


@pytest.mark.parametrize("kind", ["gripper_command", "parallel_gripper_command"])
def test_without_control_msgs_one_sentence_says_what_to_install(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "control_msgs.action", None)
    with pytest.raises(QuantVLAError, match=r"ros-<distribution>-control-msgs\), or choose"):
        GripperMessages(kind)
