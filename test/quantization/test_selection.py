# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.selection import (
    MOST_REFUSED,
    LayerOption,
    applied,
    dearest,
    ranked_steps,
    within_budget,
    within_gate,
)

TABLE = {
    "harmless": [LayerOption(8, 0.0, 100), LayerOption(4, 0.1, 150)],
    "brittle": [LayerOption(8, 5.0, 100), LayerOption(4, 50.0, 150)],
    # Four bits do less harm than eight.
    "odd": [
        LayerOption(8, 2.0, 100),
        LayerOption(4, 1.0, 150),
    ],
}
tables = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(st.floats(0, 10), st.floats(0, 10), st.integers(1, 99), st.integers(1, 99)).map(
        lambda t: [LayerOption(8, t[0], t[2]), LayerOption(4, t[1], t[2] + t[3])]
    ),
    min_size=1,
)


def test_cheap_moves_come_first_and_a_worse_middle_is_jumped_over():
    order = [(step.name, step.bits) for step in ranked_steps(TABLE)]
    assert order == [("harmless", 8), ("harmless", 4), ("odd", 4), ("brittle", 8), ("brittle", 4)]


@given(tables)
def test_each_layer_ends_at_its_fewest_bytes_with_the_error_of_the_table(table):
    steps = ranked_steps(table)
    for name, options in table.items():
        mine = [step for step in steps if step.name == name]
        assert sum(step.saved for step in mine) == max(o.saved for o in options)
        assert sum(step.error for step in mine) == pytest.approx(options[-1].error)
        prices = [step.price for step in mine]
        assert prices == sorted(prices)


@pytest.mark.parametrize("allowed", range(1, 4))
def test_the_longest_start_that_passes_is_taken(allowed):
    steps = ranked_steps(TABLE)
    limit = sum(step.error for step in steps[:allowed])

    def passes(bits):
        chosen = [o.error for name, width in bits.items() for o in TABLE[name] if o.bits == width]
        return sum(chosen) <= limit + 1e-9

    assert within_gate(steps, passes) == applied(steps[:allowed])


def test_a_move_that_fails_is_left_out_and_later_ones_are_taken():
    table = {f"layer{i:02}": [LayerOption(4, float(i), 100)] for i in range(40)}
    asked = []

    def passes(bits):
        asked.append(bits)
        return not {"layer03", "layer17"} & set(bits)

    chosen = within_gate(ranked_steps(table), passes)
    assert set(table) - set(chosen) == {"layer03", "layer17"}
    assert len(asked) < len(table)


def test_a_layer_that_fails_with_eight_bits_is_not_tried_with_four():
    def passes(bits):
        return "brittle" not in bits

    assert within_gate(ranked_steps(TABLE), passes) == {"harmless": 4, "odd": 4}


@given(tables, st.sets(st.tuples(st.text("abc", min_size=1, max_size=3), st.sampled_from([8, 4]))))
def test_what_is_chosen_has_passed(table, bad):
    passed = [{}]

    def passes(bits):
        if bad & set(bits.items()) or len(bits) % 3 == 2:  # hopeless layers, and wavering
            return False
        passed.append(bits)
        return True

    assert within_gate(ranked_steps(table), passes) in passed


def test_the_search_ends_when_nothing_passes():
    asked = []
    table = {str(i): [LayerOption(4, 1.0, 100)] for i in range(500)}
    assert within_gate(ranked_steps(table), lambda bits: bool(asked.append(bits))) == {}
    assert len(asked) == 1 + MOST_REFUSED


def test_a_budget_takes_only_what_it_needs():
    steps = ranked_steps(TABLE)
    assert within_budget(steps, 1000, 1000) == {}
    assert within_budget(steps, 1000, 901) == {"harmless": 8}
    assert within_budget(steps, 1000, 700) == {"harmless": 4, "odd": 4}
    with pytest.raises(QuantVLAError, match="takes 550 bytes"):
        within_budget(steps, 1000, 549)


def test_the_dearest_groups_stay_float_within_the_share():
    errors = {"q": 1.0, "k": 0.0, "o": 0.9, "up": 3.0, "gate": 3.0, "down": 0.0, "unused": 0.0}
    weights = dict.fromkeys(errors, 10) | {"up": 40, "gate": 40}
    groups = [("q", "k"), ("gate", "up")]
    assert dearest(errors, weights, groups, 0.0) == []
    assert dearest(errors, weights, groups, 0.1) == ["o"]  # the first group has no room
    assert dearest(errors, weights, groups, 0.25) == ["q", "k", "o"]
    assert dearest(errors, weights, groups, 1.0) == ["q", "k", "o", "up", "gate"]
