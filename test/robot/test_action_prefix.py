# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from support.example_bundle import HORIZON, example_interface

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.action_prefix import ActionPrefix, check_prefix


@pytest.mark.parametrize(("rows", "committed"), [(1, 0), (1, 1), (HORIZON, 2)])
def test_a_prefix_of_the_policys_shape_passes(rows, committed):
    check_prefix(example_interface(), ActionPrefix(np.zeros((rows, 2)), committed))


@pytest.mark.parametrize(
    ("actions", "committed", "reason"),
    [
        (np.zeros((0, 2)), 0, "1 to 4 rows of 2"),
        (np.zeros((HORIZON + 1, 2)), 0, "1 to 4 rows of 2"),
        (np.zeros((2, 3)), 0, "1 to 4 rows of 2"),
        (np.zeros(2), 0, "1 to 4 rows of 2"),
        (np.zeros((2, 2)), 3, "cannot have 3 committed"),
        (np.zeros((2, 2)), -1, "cannot have -1 committed"),
        (np.full((2, 2), np.nan), 1, "not finite"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(actions, committed, reason):
    with pytest.raises(QuantVLAError, match=reason):
        check_prefix(example_interface(), ActionPrefix(actions, committed))
