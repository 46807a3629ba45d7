# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from calib_tools.evaluate.sequential import ALPHA, LOOKS, MARGIN, look, look_sizes


def first_verdict(first, second, sizes):
    for size in sizes:
        found = look({"a": first[:size], "b": second[:size]})
        if found.decided:
            return found.decisions["a | b"], size
    return "open", sizes[-1]


def test_looks_come_after_whole_scenes_and_at_the_end():
    assert look_sizes(400, 2) == [80, 160, 240, 320, 400]
    assert look_sizes(24, 8) == [8, 16, 24]
    assert look_sizes(2, 2) == [2]


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_looking_often_finds_no_difference_between_equals(rate):
    """False-positive rate over 200 evaluations of two equally good variants."""
    rng = np.random.default_rng(1)
    sizes = look_sizes(200, 2)
    runs = 200
    wrong = 0
    for _ in range(runs):
        first, second = (rng.random((2, sizes[-1])) < rate).tolist()
        wrong += first_verdict(first, second, sizes)[0] == "different"
    assert len(sizes) == LOOKS
    # Bonferroni promises at most ALPHA; three standard errors above it would be a mistake.
    assert wrong / runs < ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert wrong / runs < ALPHA


def test_a_large_difference_ends_early_and_equality_is_claimed_rarely_when_wrong():
    rng = np.random.default_rng(2)
    sizes = look_sizes(400, 2)
    verdicts = []
    for _ in range(200):
        first = (rng.random(400) < 0.9).tolist()
        second = (rng.random(400) < 0.6).tolist()
        verdicts.append(first_verdict(first, second, sizes))
    assert all(verdict == "different" for verdict, _ in verdicts)
    assert np.mean([size for _, size in verdicts]) < 200
    wrong = 0
    for _ in range(200):
        first = (rng.random(400) < 0.90).tolist()
        second = (rng.random(400) < 0.90 - MARGIN).tolist()
        wrong += first_verdict(first, second, sizes)[0] == "equal"
    assert wrong <= 12


def test_equal_variants_that_agree_are_equal():
    found = look({"a": [True] * 200, "b": [True] * 200})
    assert found.decided
    assert found.decisions == {"a | b": "equal"}


def test_all_pairs_have_to_be_decided():
    same = [True, False] * 100
    found = look({"a": same, "b": same, "c": [False] * 200})
    assert found.decisions["a | c"] == found.decisions["b | c"] == "different"
    assert found.decisions["a | b"] == "equal"
    found = look({"a": same[:10], "b": same[:10], "c": [False] * 10})
    assert not found.decided


def test_a_lone_variant_is_known_when_its_interval_is_narrow():
    assert not look({"a": [True, False] * 20}).decided
    assert look({"a": [True] * 100}).decisions == {"a": "known"}
