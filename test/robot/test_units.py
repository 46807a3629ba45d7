# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from support.spaces import action_space

from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.units import Entry, entry, range_entry


@pytest.mark.parametrize(
    ("unit", "si", "scale"),
    [("rad", "rad", 1.0), ("deg", "rad", math.pi / 180), ("mm", "m", 1e-3), ("m/s", "m/s", 1.0)],
)
def test_a_known_unit_has_its_size(unit, si, scale):
    made = entry("a", unit, "arm")
    assert (made.si, made.scale, made.offset) == (si, pytest.approx(scale), 0.0)


def test_a_range_reaches_from_one_end_of_the_joint_to_the_other():
    arm = range_entry("pan", "-100..100", "arm", "rad", (-1.9, 2.1))
    finger = range_entry("grip", "0..1", "gripper", "m", (0.08, 0.0))  # 1 is closed
    space = ActionSpace(
        (
            ActionGroup("arm", "arm", "joint_position"),
            ActionGroup("gripper", "gripper", "joint_position"),
        ),
        (arm, finger),
        2,
    )
    policy = np.array([[-100.0, 0.0], [100.0, 1.0], [0.0, 0.25]])
    si = np.array([[-1.9, 0.08], [2.1, 0.0], [0.1, 0.06]])
    np.testing.assert_allclose(space.to_si(policy), si, atol=1e-12)
    np.testing.assert_allclose(space.from_si(si), policy, atol=1e-9)


def test_si_units_pass_unchanged_to_the_last_bit():
    values = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    space = action_space((ActionGroup("arm", "arm", "joint_position"), "rad", ["a", "b"]))
    np.testing.assert_array_equal(space.to_si(values), values)
    np.testing.assert_array_equal(space.from_si(values), values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("a", "parsec", "arm", "rad"), "'a' has unit 'parsec'; known are rad, deg"),
        (("a", "1..1", "arm", "rad"), "'a' has unit '1..1'"),
        (("a", "deg", "arm", "rad", 1.0), r"which is 0\.01745\d* rad, and its map says 1 rad"),
        (("a", "rad", "arm", "m"), "is in rad, which is 1 rad, and its map says 1 m"),
        (("a", "0..1", "arm", "m", 0.0), "not finite or has scale zero"),
        (("a", "rad", "arm", "rad", 1.0, math.inf), "not finite or has scale zero"),
    ],
)
def test_a_map_that_contradicts_its_unit_is_refused(values, text):
    with pytest.raises(ValueError, match=text):
        Entry(*values)


def test_a_policy_may_count_the_other_way_round_from_another_zero():
    assert Entry("a", "deg", "arm", "rad", -math.pi / 180, 0.3).scale < 0


def test_a_range_alone_does_not_say_where_it_ends():
    with pytest.raises(ValueError, match=r"-100\.\.100; say which SI values its ends are"):
        entry("a", "-100..100", "arm")


def test_a_value_is_shown_in_the_unit_that_the_user_knows():
    assert entry("a", "deg", "arm").shown(-31.5) == "-31.50 deg"
    assert range_entry("a", "0..100", "g", "m", (0, 1)).shown(112.0) == "112.00 of 0..100"
