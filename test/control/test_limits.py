# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from quantvla_ros.control.limits import JointLimits, LimitsMissingError, limits_from_urdf
from quantvla_ros.errors import QuantVLAError

URDF = """
<robot name="r">
  <joint name="fixed" type="fixed"/>
  <joint name="b" type="prismatic"><limit lower="0" upper="0.04" velocity="0.2" effort="1"/></joint>
  <joint name="a" type="revolute"><limit lower="-1" upper="2" velocity="3" effort="1"/></joint>
  <joint name="c" type="continuous"><limit velocity="4" effort="1"/></joint>
</robot>
"""
ACC = {"a": 5.0, "b": 6.0, "c": 7.0}
JERK = {"a": 50.0, "b": 60.0, "c": 70.0}


def test_limits_come_by_name_in_the_order_asked_for() -> None:
    limits = limits_from_urdf(URDF, ["b", "a"], ACC, JERK)
    assert limits.names == ("b", "a")
    np.testing.assert_array_equal(limits.lower, [0.0, -1.0])
    np.testing.assert_array_equal(limits.upper, [0.04, 2.0])
    np.testing.assert_array_equal(limits.velocity, [0.2, 3.0])
    np.testing.assert_array_equal(limits.acceleration, [6.0, 5.0])
    np.testing.assert_array_equal(limits.jerk, [60.0, 50.0])


def test_continuous_joint_has_no_position_limits() -> None:
    limits = limits_from_urdf(URDF, ["c"], ACC, JERK)
    assert limits.lower[0] == -math.inf and limits.upper[0] == math.inf


@pytest.mark.parametrize(
    ("xml", "names", "acceleration", "jerk", "words"),
    [
        ("<robot", ["a"], ACC, JERK, ["XML"]),
        (URDF, ["nope"], ACC, JERK, ["'nope'", "not in the robot description"]),
        (URDF, ["fixed"], ACC, JERK, ["'fixed'", "<limit>"]),
        (URDF, ["a"], {}, JERK, ["'a'", "acceleration"]),
        (URDF, ["a"], ACC, {}, ["'a'", "jerk"]),
        (URDF, ["a"], {"a": math.nan}, JERK, ["'a'", "acceleration"]),
        (URDF, ["a"], ACC, {"a": 0.0}, ["'a'", "jerk"]),
        (URDF.replace('velocity="3"', ""), ["a"], ACC, JERK, ["'a'", "velocity"]),
        (URDF.replace('velocity="3"', 'velocity="0"'), ["a"], ACC, JERK, ["'a'", "velocity"]),
        (URDF.replace('upper="2"', 'upper="-1"'), ["a"], ACC, JERK, ["'a'", "lower"]),
        (URDF.replace('lower="-1"', 'lower="x"'), ["a"], ACC, JERK, ["'a'", "lower"]),
    ],
)
def test_what_is_missing_is_named(xml, names, acceleration, jerk, words) -> None:
    with pytest.raises(LimitsMissingError) as caught:
        limits_from_urdf(xml, names, acceleration, jerk)
    assert isinstance(caught.value, QuantVLAError)
    for word in words:
        assert word in str(caught.value)


def test_one_value_a_joint() -> None:
    one, two = np.ones(1), np.ones(2)
    with pytest.raises(LimitsMissingError, match="velocity"):
        JointLimits(("a",), -one, one, two, one, one)


def test_limits_cannot_be_changed_afterwards(limits: JointLimits) -> None:
    with pytest.raises(ValueError, match="read-only"):
        limits.velocity[0] = 99.0


def test_observed_joints_have_what_the_urdf_says_of_them_and_no_more() -> None:
    from quantvla_ros.control.observed import observed_from_urdf

    xml = URDF.replace("</robot>", '<joint name="d" type="revolute"><limit velocity="0"/></joint>')
    observed = observed_from_urdf(xml + "</robot>", ["c", "b", "nowhere", "fixed", "d"])
    assert observed.names == ("c", "b", "nowhere", "fixed", "d")
    np.testing.assert_array_equal(observed.velocity, [4.0, 0.2, math.inf, math.inf, math.inf])
    assert observed.continuous.tolist() == [True, False, False, False, False]
    limits = limits_from_urdf(URDF, ["c", "a"], ACC, JERK)
    assert limits.continuous.tolist() == [True, False]
