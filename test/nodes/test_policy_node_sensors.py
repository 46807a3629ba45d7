# SPDX-License-Identifier: Apache-2.0
"""Sensors that send nonsense: it is skipped and counted, or stops the arm with its reason."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from std_msgs.msg import String
from support.fake_robot import JOINTS, POSITION
from support.policy_graph import active_policy, manifest, write_bundle
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.interface import CameraSlot


@pytest.fixture(scope="module")
def parameters():
    """A source is stale well before the chunk that is under way without it runs out."""
    return "max_camera_age_s:=1.2", "max_joint_age_s:=1.2"


def repeat(robot, source):
    stamp = robot.setpoints[-1][0]
    robot.restamp[source] = lambda _: stamp


def go_back(robot, source):
    stamps = itertools.count(robot.setpoints[-1][0], -0.01)
    robot.restamp[source] = lambda _: next(stamps)


DISTURBANCES = {
    "zero": (lambda r, s: r.restamp.update({s: lambda _: 0.0}), "its stamps are zero"),
    "future": (
        lambda r, s: r.restamp.update({s: lambda stamp: stamp + 5.0}),
        "its stamps lie in the future",
    ),
    "repeat": (repeat, "its stamps repeat"),
    "back": (go_back, "its stamps go back"),
}


@pytest.mark.parametrize(
    ("kind", "source"),
    [("zero", "joint_states"), ("future", "wrist"), ("repeat", "wrist"), ("back", "joint_states")],
)
def test_stamps_that_cannot_be_true_stop_the_arm(moving, robot, source, kind):
    disturb, text = DISTURBANCES[kind]
    disturb(robot, source)
    code = "STALE_CAMERA" if source == "wrist" else "STALE_JOINT_STATE"
    moving.wait_for(f"{code}: ", 20)
    assert text in moving.message
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    reason = {"zero": "zero_stamp", "future": "future_stamp", "repeat": "repeated_stamp",
              "back": "stamp_went_back"}[kind]  # fmt: skip
    wait_until(lambda: moving.count("inputs", f"skipped_{reason}_{source}"), 10, "the count")


def wrong_encoding(robot):
    robot.encoding = "bayer_rggb8"


def lost_joint(robot):
    robot.joint_names = JOINTS[:2]


def not_a_number(robot):
    robot.measure = lambda positions: positions * np.array([1.0, math.nan, 1.0])


@pytest.mark.parametrize(
    ("disturb", "fault", "text"),
    [
        (wrong_encoding, "STALE_CAMERA", "bayer_rggb8"),
        (lost_joint, "STALE_JOINT_STATE", "joint 'finger' is missing"),
        (not_a_number, "STALE_JOINT_STATE", "a position is not a finite number"),
    ],
)
def test_content_that_cannot_be_used_stops_the_arm(moving, robot, disturb, fault, text):
    disturb(robot)
    moving.wait_for(f"{fault}: ", 20)
    assert text in moving.message
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()


@pytest.mark.parametrize("shape", [(12, 20), (480, 640)])
def test_a_camera_that_changes_its_size_changes_nothing(moving, robot, shape):
    robot.pictures["wrist"] = np.full((*shape, 3), 90, np.uint8)
    done = moving.count("inference", "chunks")
    wait_until(lambda: moving.count("inference", "chunks") > done + 3, 20, "chunks")
    assert moving.message == "ARMED"
    robot.assert_within_limits()


def test_an_optional_camera_that_there_is_not_is_left_out(robot, tmp_path):
    slots = (*manifest().interface.cameras, CameraSlot("chest", 8, 8, optional=True))
    bundle = write_bundle(tmp_path / "b", interface=replace(manifest().interface, cameras=slots))
    with active_policy(robot, bundle, tmp_path) as policy:
        wait_until(lambda: policy.count("inference", "chunks") > 2, 20, "chunks")
        policy.wait_for("DRY_RUN")
        assert "Camera 'chest' sends nothing; it is optional." in policy.process.output


def test_joints_in_another_order_change_nothing(moving, robot):
    robot.joint_names = ("joint2", "finger", "joint1")
    received = moving.count("inputs", "received_joint_states")
    wait_until(
        lambda: moving.count("inputs", "received_joint_states") > received + 100, 20, "joint states"
    )
    assert moving.message == "ARMED"
    robot.assert_within_limits()


def test_instruction_from_a_publisher_that_keeps_nothing_is_taken(policy, stranger):
    policy.bring_to_dry_run()
    publisher = stranger.publisher(String, "instruction")

    def told():
        publisher.publish(String(data="left"))
        return policy.client.diagnostics("inputs")[1].get("instruction") == "left"

    wait_until(told, 20, "the instruction")
    policy.bring_to_dry_run()


def test_camera_that_hangs_is_found_where_it_is_asked_for(moving, robot, graph):
    graph.set_parameter(moving.name, "max_frozen_s", 0.5)  # the robot's pictures never change
    try:
        moving.wait_for("STALE_CAMERA: ", 20)
        assert "its picture does not change" in moving.message
    finally:
        graph.set_parameter(moving.name, "max_frozen_s", 0.0)


def test_armed_arm_without_a_usable_chunk_is_told(policy, robot):
    policy.bring_to_dry_run()
    policy.behave("old")
    policy.arm_when_quiet()
    policy.wait_for("ARMED: no chunk comes that can be used (they come too late)")
    assert robot.at_rest
    policy.behave("ok")
    wait_until(lambda: policy.message == "ARMED", 10, "chunks")
    wait_until(lambda: not robot.at_rest, 10, "motion")
    policy.bring_to_dry_run()


@pytest.mark.parametrize(("jump_s", "fault"), [(0.1, "JOINT_JUMP"), (10.0, "LIMIT_VIOLATION")])
def test_one_joint_state_far_outside_the_limits_stops_the_arm(moving, robot, graph, jump_s, fault):
    """A policy of kind `joint_delta` would add a whole chunk to it."""
    graph.set_parameter(moving.name, "max_jump_s", jump_s)
    wrong = iter([np.array([0.0, 2 * np.pi, 0.0])] * 3)  # a busy machine may lose a message
    robot.measure = lambda positions: positions + next(wrong, np.zeros(3))
    moving.wait_for(f"{fault}: joint 'joint2' is measured at")
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    moving.client.reset_fault()
    moving.bring_to_motion()
    graph.set_parameter(moving.name, "max_jump_s", 0.1)


@pytest.mark.parametrize(
    "measure",
    [
        # A little is brought in at once when it is armed, without any chunk.
        lambda positions: np.array([positions[0], POSITION + 0.05, positions[2]]),
        lambda positions: positions + np.array([0.0, 3.0, 0.0]),
    ],
    ids=["a little", "far"],
)
def test_arm_measured_outside_its_limits_is_not_armed(policy, robot, measure):
    policy.bring_to_dry_run()
    robot.measure = measure
    received = policy.count("inputs", "received_joint_states")
    wait_until(
        lambda: policy.count("inputs", "received_joint_states") > received + 20, 20, "joint states"
    )
    with pytest.raises(QuantVLAError, match="LIMIT_VIOLATION: joint 'joint2' is measured at"):
        policy.client.arm()
    policy.bring_to_dry_run()
