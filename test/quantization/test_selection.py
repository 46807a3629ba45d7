# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.selection import (
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


@pytest.mark.parametrize("allowed", range(6))
def test_the_longest_start_that_passes_is_taken(allowed):
    moves = ranked_moves(TABLE)
    asked = []

    def passes(bits):
        asked.append(bits)
        return sum(bits.values()) == 0 or any(
            bits == applied(moves[:n]) for n in range(allowed + 1)
        )

    assert within_gate(moves, passes) == applied(moves[:allowed])
    assert len(asked) <= 4


def test_a_budget_takes_only_what_it_needs():
    moves = ranked_moves(TABLE)
    assert within_budget(moves, 1000, 1000) == {}
    assert within_budget(moves, 1000, 901) == {"harmless": 8}
    assert within_budget(moves, 1000, 700) == {"harmless": 4, "odd": 4}
    with pytest.raises(QuantVLAError, match="takes 550 bytes"):
        within_budget(moves, 1000, 549)
