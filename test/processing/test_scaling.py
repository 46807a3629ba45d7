# SPDX-License-Identifier: Apache-2.0
"""Every kind of normalization there and back, with rows of a chunk, clipping and equal ends."""

import numpy as np
import pytest
from pydantic import ValidationError

from quantvla_ros.bundle.normalization import Normalization, ScaleRule
from quantvla_ros.processing.scaling import action_scaling, state_scaling

LOW, HIGH = [-1.0, 2.0, 5.0], [3.0, 2.5, 5.0]
ROWS = 4


def norm(state=None, action=None):
    ones = [1.0] * 3
    return Normalization(
        state_mean=[0.5] * 3,
        state_std=[2.0] * 3,
        action_mean=[ones] * ROWS,
        action_std=[ones] * ROWS,
        state=state,
        action=action,
    )


def rule(**changes):
    return ScaleRule(kind="quantiles", low=LOW, high=HIGH, **changes)


@pytest.mark.parametrize("eps", [{"eps": 1e-8}, {"eps": 1e-6, "eps_where": "always"}])
def test_a_range_goes_there_and_back_by_each_epsilon(eps):
    scaling = state_scaling(norm(rule(**eps)))
    values = np.array([1.0, 2.0, 5.0])
    known = scaling.normalize(values)
    assert known[:2] == pytest.approx([0.0, -1.0], abs=1e-5) and known[2] == -1.0
    np.testing.assert_allclose(scaling.denormalize(known), values, rtol=1e-12)
    assert scaling.normalize(values.astype(np.float32)).dtype == np.float32


def test_equal_ends_become_zero_and_come_back_as_they_were():
    scaling = state_scaling(norm(rule(eps_where="zero")))
    assert scaling.normalize(np.array([1.0, 2.0, 7.0]))[2] == 0.0
    assert scaling.denormalize(np.array([0.0, 0.0, 0.9]))[2] == 5.0


def test_clipping_cuts_on_both_ways():
    scaling = state_scaling(norm(rule(eps_where="zero", clip=True)))
    assert scaling.normalize(np.array([9.0, -9.0, 5.0])).tolist() == [1.0, -1.0, 0.0]
    assert scaling.denormalize(np.array([7.0, -7.0, 0.0])).tolist() == [3.0, 2.0, 5.0]
    plain = state_scaling(norm(rule(eps=1e-8)))
    assert plain.denormalize(np.array([7.0, 0.0, 0.0]))[0] > 10


def test_rows_of_a_chunk_have_ranges_of_their_own():
    low = [[-1.0 - row] * 3 for row in range(ROWS)]
    high = [[1.0 + row] * 3 for row in range(ROWS)]
    scaling = action_scaling(norm(action=ScaleRule(kind="min_max", low=low, high=high)))
    ones = np.ones((ROWS, 3))
    assert scaling.denormalize(ones)[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert scaling.normalize(ones[:2]).tolist() == [[1.0] * 3, [0.5] * 3]


def test_mean_and_identity():
    values = np.array([2.5, 0.5, 0.5])
    with_eps = state_scaling(norm(ScaleRule(kind="mean_std", eps=1e-8)))
    assert with_eps.normalize(values)[0] == pytest.approx(1.0) and with_eps.normalize(values)[0] < 1
    assert with_eps.denormalize(np.array([1.0, 0, 0]))[0] == 2.5
    assert state_scaling(norm(ScaleRule(kind="identity"))).normalize(values) is values


@pytest.mark.parametrize(
    "given, said",
    [
        ({"kind": "quantiles"}, "low and high of one shape"),
        ({"kind": "identity", "low": [1.0], "high": [1.0]}, "low and high of one shape"),
        ({"kind": "min_max", "low": [1.0], "high": [0.0]}, "low is 1.0 and high is 0.0"),
        ({"kind": "min_max", "low": [1.0, 2.0], "high": [3.0]}, "one shape"),
    ],
)
def test_ends_that_do_not_fit_are_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        ScaleRule.model_validate(given)


def test_other_counts_than_the_interfaces_are_refused():
    known = norm(rule(eps=1e-8), ScaleRule(kind="min_max", low=[[0.0] * 3], high=[[1.0] * 3]))
    with pytest.raises(ValueError, match=r"normalization.action.low has shape \[1, 3\]"):
        known.check_fits(3, ROWS, 3)
