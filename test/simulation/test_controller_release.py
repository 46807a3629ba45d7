# SPDX-License-Identifier: Apache-2.0
"""One test for each difference between the distributions; the shared rules have theirs in
test_trajectory_controller.py."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.controller_release import RELEASES, STRICTEST, find_release
from simulation.trajectory import JointTrajectory, TrajectoryPoint
from simulation.trajectory_controller import TrajectoryController

ENDS_MOVING = JointTrajectory(("joint",), [TrajectoryPoint(1.0, (1.0,), (0.5,))])


def controller(name):
    result = TrajectoryController(("joint",), np.zeros(1), find_release(name))
    result.update(0.0)
    return result


@pytest.mark.parametrize(
    ("name", "accepts"), [("humble", True), ("jazzy", False), ("kilted", False)]
)
def test_allow_nonzero_velocity_at_trajectory_end(name, accepts):
    assert (controller(name).submit(ENDS_MOVING, 0.0) is None) == accepts


def test_humble_holds_the_last_point_of_a_trajectory_that_ends_moving():
    c = controller("humble")
    c.submit(ENDS_MOVING, 0.0)
    c.update(0.0)
    for time in (1.0, 2.0, 9.0):
        np.testing.assert_array_equal(c.update(time)[0], [1.0])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("humble", "currently not supported"),
        ("jazzy", "using the 'effort' command interface"),
        ("kilted", "using the 'effort' command interface"),
    ],
)
def test_effort_values_are_refused_in_the_words_of_the_release(name, words):
    message = JointTrajectory(("joint",), [TrajectoryPoint(1.0, (1.0,), effort=(1.0,))])
    assert words in controller(name).submit(message, 0.0)


def test_the_option_to_start_from_the_desired_state_has_a_name_on_each():
    names = {name: release.desired_state_parameters for name, release in RELEASES.items()}
    assert names == {
        "humble": ("open_loop_control",),
        "jazzy": ("interpolate_from_desired_state", "open_loop_control"),
        "kilted": ("interpolate_from_desired_state",),
    }


def test_the_default_accepts_no_more_than_any_release():
    assert not STRICTEST.allow_nonzero_velocity_at_trajectory_end
    with pytest.raises(QuantVLAError, match="choose one of: humble, jazzy, kilted"):
        find_release("rolling")
