# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib_tools.evaluate.statistics import Paired, Rate

COUNTS = st.integers(0, 300)
TABLES = st.builds(Paired, COUNTS, COUNTS, COUNTS, COUNTS).filter(lambda table: table.count > 0)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17 (1998) 857, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (400, 400, 0.9905, 1.0),
    ],
)
def test_wilson_interval_of_known_cases(successes, count, low, high):
    assert Rate(successes, count).interval == pytest.approx((low, high), abs=6e-5)


def test_a_rate_without_trials_says_nothing():
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).interval == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2"):
        Rate(3, 2)


@pytest.mark.parametrize(
    ("first_alone", "table", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 2635, method 10
        (12, Paired(36, 12, 2, 0), 0.0569, 0.3404),
        (14, Paired(36, 14, 0, 0), 0.1528, 0.4167),
        # Fagerland et al., Statistics in Medicine 33 (2014) 2850: Bentur's data
        (1, Paired(1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_interval_of_the_paired_difference_of_known_cases(first_alone, table, low, high):
    assert table.first_only == first_alone
    found = table.interval()
    # The papers take first less second.
    assert (-found[1], -found[0]) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        (Paired(1, 1, 7, 12), 0.0703125),  # 2 * (1 + 8) / 2**8
        (Paired(5, 0, 6, 0), 0.03125),
        (Paired(9, 3, 3, 1), 1.0),
        (Paired(9, 0, 0, 1), 1.0),
    ],
)
def test_exact_mcnemar_of_known_cases(table, p):
    assert table.p_value == pytest.approx(p)


def test_pairs_are_counted():
    pairs = [(True, True), (True, False), (True, False), (False, True), (False, False)]
    assert Paired.of(pairs) == Paired(1, 2, 1, 1)
    assert Paired.of([]).interval() == (-1.0, 1.0)


@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_holds_the_rate_and_narrows_with_trials(successes, failures):
    count = successes + failures
    low, high = Rate(successes, count).interval
    assert 0 <= low < high <= 1
    if count:
        assert low <= successes / count <= high
        four = Rate(4 * successes, 4 * count).interval
        assert four[1] - four[0] < high - low
        mirrored = Rate(failures, count).interval
        assert mirrored == pytest.approx((1 - high, 1 - low))


@given(TABLES)
def test_paired_interval_holds_the_difference_and_turns_with_the_variants(table):
    low, high = table.interval()
    turned = Paired(table.both, table.second_only, table.first_only, table.neither)
    assert -1 <= low <= table.difference <= high <= 1
    assert turned.interval() == pytest.approx((-high, -low))
    assert turned.p_value == table.p_value
    assert 0 < table.p_value <= 1
    wide_low, wide_high = table.interval(0.99)
    assert wide_low <= low
    assert wide_high >= high


@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_the_formula_of_the_paper(successes, failures, level):
    n = successes + failures
    if n == 0:
        return
    z, p = NormalDist().inv_cdf((1 + level) / 2), successes / n
    center = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = Rate(successes, n, level).interval
    wanted = ((center - spread) / (1 + z * z / n), (center + spread) / (1 + z * z / n))
    assert found == pytest.approx(wanted, abs=1e-12)


@given(TABLES)
def test_mcnemar_is_the_sum_of_the_binomial_tail(table):
    discordant = table.first_only + table.second_only
    fewer = min(table.first_only, table.second_only)
    tail = sum(math.comb(discordant, k) for k in range(fewer + 1))
    assert table.p_value == pytest.approx(min(1.0, 2 * tail / 2**discordant))
