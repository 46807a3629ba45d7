# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.example_bundle import example_interface
from support.spaces import (
    ARM,
    DELTA_ARM,
    FAST_ARM,
    GRIPPER,
    TIP,
    action_space,
    state_space,
    twist,
)

from quantvla_ros.robot.action_space import TWIST_NAMES, ActionGroup, ActionSpace
from quantvla_ros.robot.interface import CameraSlot, StateSpace
from quantvla_ros.robot.units import Entry, entries, range_entry

FINGER = (GRIPPER, "m", ["finger"])
LEFT, RIGHT = (ActionGroup(side, "arm", "joint_delta") for side in ("left", "right"))


def test_groups_say_what_moves():
    both = action_space(
        (LEFT, "rad", ["l1", "l2"]), (GRIPPER, "m", ["lf", "rf"]), (RIGHT, "deg", ["r1"])
    )
    assert both.of_type("arm").tolist() == [True, True, False, False, True]
    assert both.of_type("gripper").tolist() == [False, False, True, True, False]
    assert both.relative.tolist() == [True, True, False, False, True]
    assert both.columns("right") == [4]
    assert both.together.tolist() == [0, 0, 2, 3, 4], "each finger keeps its own time"
    assert both.joints == ["l1", "l2", "lf", "rf", "r1"]
    assert not both.moves_tip
    assert both.units == ["rad", "rad", "m", "m", "rad"]


def test_a_tip_is_no_joint_and_its_gripper_is():
    moved = action_space(*twist(), FINGER)
    assert moved.joints == ["finger"] and moved.together.tolist() == [0] * 6 + [6]
    steps = action_space(*twist("m", "rad"))
    assert steps.joints == [] and steps.moves_tip


def test_a_twist_may_come_in_a_range():
    """As the policies of some simulators: -1..1 is 5 cm or half a radian in one step."""
    moves = tuple(
        Entry(name, "-1..1", "tip", "m" if place < 3 else "rad", 0.05 if place < 3 else 0.5)
        for place, name in enumerate(TWIST_NAMES)
    )
    space = ActionSpace((TIP,), moves, 6)
    np.testing.assert_allclose(space.to_si(np.ones(6)), [0.05] * 3 + [0.5] * 3)


OTHER_TIP = ActionGroup("other", "tip", "ee_delta")


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ([(TIP, "m/s", [*TWIST_NAMES[1:], TWIST_NAMES[0]])], "kind ee_delta are linear_x"),
        ([*twist(), (GRIPPER, "m", ["a", "b"])], "at most one gripper"),
        (twist("m/s", "rad"), "m/s and rad/s or of m and rad a step"),
        ([*twist(), (ARM, "rad", ["elbow"])], "of one tip"),
        ([*twist(), (OTHER_TIP, "m", ["x"])], "of one tip"),
        ([FINGER, *twist()], "kind ee_delta are linear_x"),
        ([(ARM, "rad", ["a"]), (GRIPPER, "rad", ["a"])], "action 'a' is listed twice"),
        ([(ARM, "rad/s", ["a"])], "action 'a' is of kind joint_position and maps to rad/s"),
        ([(FAST_ARM, "rad", ["a"])], "action 'a' is of kind joint_velocity and maps to rad"),
        ([], "action has no entries"),
    ],
)
def test_actions_that_nothing_can_carry_out_are_refused(groups, text):
    with pytest.raises(ValueError, match=text):
        action_space(*groups)


def test_groups_and_entries_must_know_each_other():
    joints = entries(["a"], "rad", "arm")
    with pytest.raises(ValueError, match="action group 'gripper' stands in the groups or in an"):
        ActionSpace((ARM, GRIPPER), joints, 1)
    with pytest.raises(ValueError, match="action group 'arm' is listed twice"):
        ActionSpace((ARM, DELTA_ARM), joints, 1)
    with pytest.raises(ValueError, match=r"action.width is 0, below its 1 values"):
        ActionSpace((ARM,), joints, 0)
    with pytest.raises(ValueError, match="ee_delta is the kind of a tip and of nothing else"):
        ActionGroup("arm", "arm", "ee_delta")


def test_relative_actions_are_counted_from_the_observed_joints_in_the_policys_units():
    groups = (ActionGroup("arm", "arm", "joint_delta"), "deg", ["a", "b"]), FINGER
    seen = replace(
        example_interface(None), state=state_space(*groups), action=action_space(*groups)
    )
    joints = np.array([np.pi / 2, -np.pi, 0.03])
    chunk = seen.chunk(np.array([[10.0, 20.0, 0.01]]), joints)
    np.testing.assert_allclose(chunk, [[*np.deg2rad([100.0, -160.0]), 0.01]])
    np.testing.assert_allclose(seen.values(chunk, joints), [[10.0, 20.0, 0.01]])


def velocities():
    """Elbow and finger of `FINGER`, the elbow's action as DROID counts it: 1 is 3 rad/s."""
    state = state_space((ARM, "deg", ["elbow"]), FINGER)
    speed = range_entry("elbow", "-1..1", "arm", "rad/s", (-3.0, 3.0))
    space = ActionSpace((FAST_ARM, GRIPPER), (speed, *state.entries[1:]), 2)
    return replace(example_interface(None), state=state, action=space, dt=0.1)


def test_velocities_act_from_where_the_joints_were_observed():
    interface, joints = velocities(), np.array([0.5, 0.03])
    values = np.array([[0.1, 0.01], [0.2, 0.02], [-1.0, 0.03]])
    chunk = interface.chunk(values, joints)
    np.testing.assert_allclose(chunk, [[0.53, 0.01], [0.59, 0.02], [0.29, 0.03]])
    np.testing.assert_allclose(interface.values(chunk[:2], joints), values[:2])
    assert interface.action.units == ["rad", "m"]
    several = interface.values(np.stack([[chunk, chunk]] * 3), np.stack([joints, joints]))
    np.testing.assert_allclose(several, np.broadcast_to(values, (3, 2, 3, 2)))


def test_velocities_need_a_state_that_they_act_from():
    interface = velocities()
    with pytest.raises(ValueError, match="'elbow' is a velocity in rad/s from the observed state"):
        replace(interface, state=state_space(FINGER))
    with pytest.raises(ValueError, match="no state of that name is in that unit's rad or m"):
        replace(interface, state=state_space((ARM, "m", ["elbow"]), FINGER))


def test_relative_actions_need_a_state_that_means_the_same():
    degrees = action_space((DELTA_ARM, "deg", ["a"]))
    radians = state_space((DELTA_ARM, "rad", ["a"]))
    with pytest.raises(ValueError, match="'a' is counted from the observed state, and no state"):
        replace(example_interface(None), state=radians, action=degrees)


def test_kinematics_may_only_use_joints_of_the_state():
    state = example_interface().state
    with pytest.raises(ValueError, match="needs joint 'panda_joint1', which is no state"):
        StateSpace(state.entries[1:], 5, state.kinematics)


def test_a_state_is_no_speed():
    with pytest.raises(ValueError, match="state 'a' is a joint's and maps to m/s"):
        state_space((ARM, "m/s", ["a"]))


def test_cameras_differ_and_have_a_size():
    camera = CameraSlot("front", 2, 2)
    with pytest.raises(ValueError, match="camera 'front' is listed twice"):
        replace(example_interface(), cameras=(camera, camera))
    with pytest.raises(ValueError, match="camera 'front' has a size of 2 x 0"):
        CameraSlot("front", 0, 2)


def test_the_state_is_longer_by_three_with_kinematics():
    assert example_interface().state.size == 5
    assert example_interface(kinematics=None).state.size == 2
