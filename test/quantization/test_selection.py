# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.selection import (
    MOST_REFUSED,
    Option,
    applied,
    ranked_moves,
    within_budget,
    within_gate,
)

TABLE = {
    "harmless": [Option(8, 0.0, 100), Option(4, 0.1, 150)],
    "brittle": [Option(8, 5.0, 100), Option(4, 50.0, 150)],
    "odd": [Option(8, 2.0, 100), Option(4, 1.0, 150)],  # four bits do less harm than eight
}
tables = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(st.floats(0, 10), st.floats(0, 10), st.integers(1, 99), st.integers(1, 99)).map(
        lambda t: [Option(8, t[0], t[2]), Option(4, t[1], t[2] + t[3])]
    ),
    min_size=1,
)


def test_cheap_moves_come_first_and_a_worse_middle_is_jumped_over():
    order = [(move.name, move.bits) for move in ranked_moves(TABLE)]
    assert order == [("harmless", 8), ("harmless", 4), ("odd", 4), ("brittle", 8), ("brittle", 4)]


@given(tables)
def test_each_layer_ends_at_its_fewest_bytes_with_the_error_of_the_table(table):
    moves = ranked_moves(table)
    for name, options in table.items():
        mine = [move for move in moves if move.name == name]
        assert sum(move.saved for move in mine) == max(o.saved for o in options)
        assert sum(move.error for move in mine) == pytest.approx(options[-1].error)
        prices = [move.price for move in mine]
        assert prices == sorted(prices)


@pytest.mark.parametrize("allowed", range(1, 4))
def test_the_longest_start_that_passes_is_taken(allowed):
    moves = ranked_moves(TABLE)
    limit = sum(move.error for move in moves[:allowed])

    def passes(bits):
        chosen = [o.error for name, width in bits.items() for o in TABLE[name] if o.bits == width]
        return sum(chosen) <= limit + 1e-9

    assert within_gate(moves, passes) == applied(moves[:allowed])


def test_a_move_that_fails_is_left_out_and_later_ones_are_taken():
    table = {f"layer{i:02}": [Option(4, float(i), 100)] for i in range(40)}
    asked = []

    def passes(bits):
        asked.append(bits)
        return not {"layer03", "layer17"} & set(bits)

    chosen = within_gate(ranked_moves(table), passes)
    assert set(table) - set(chosen) == {"layer03", "layer17"}
    assert len(asked) < len(table)


def test_a_layer_that_fails_with_eight_bits_is_not_tried_with_four():
    def passes(bits):
        return "brittle" not in bits

    assert within_gate(ranked_moves(TABLE), passes) == {"harmless": 4, "odd": 4}


@given(tables, st.sets(st.tuples(st.text("abc", min_size=1, max_size=3), st.sampled_from([8, 4]))))
def test_what_is_chosen_has_passed(table, bad):
    passed = [{}]

    def passes(bits):
        if bad & set(bits.items()) or len(bits) % 3 == 2:  # hopeless layers, and wavering
            return False
        passed.append(bits)
        return True

    assert within_gate(ranked_moves(table), passes) in passed


def test_the_search_ends_when_nothing_passes():
    asked = []
    table = {str(i): [Option(4, 1.0, 100)] for i in range(500)}
    assert within_gate(ranked_moves(table), lambda bits: bool(asked.append(bits))) == {}
    assert len(asked) == 1 + MOST_REFUSED


def test_a_budget_takes_only_what_it_needs():
    moves = ranked_moves(TABLE)
    assert within_budget(moves, 1000, 1000) == {}
    assert within_budget(moves, 1000, 901) == {"harmless": 8}
    assert within_budget(moves, 1000, 700) == {"harmless": 4, "odd": 4}
    with pytest.raises(QuantVLAError, match="takes 550 bytes"):
        within_budget(moves, 1000, 549)
