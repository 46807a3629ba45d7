# SPDX-License-Identifier: Apache-2.0
"""What one block took, by part, and the estimate for all of them."""

from __future__ import annotations

from studies.full_size import block_table
from studies.full_size.block import parts_of

EVENTS = [
    ("run the float policy", 1.0),
    (
        "inputs of language_model.layers.0.q (block 1 of 2 of this half, 0 s each), 1.0 GB held",
        11.0,
    ),
    ("language_model.layers.0.q (block 1 of 2 of this half, 0 s each), 1.0 GB held", 14.0),
    ("language_model.layers.0.k (block 1 of 2 of this half, 0 s each), 1.0 GB held", 15.0),
    ("judge on held-out samples", 17.0),
    ("done", 20.0),
]


def test_time_is_told_by_what_it_went_into():
    assert parts_of(EVENTS) == {
        "network": 13.0, "observe language_model.layers": 3.0, "round language_model.layers": 3.0,
    }  # fmt: skip


def test_the_estimate_is_by_the_share_of_the_weights():
    record = {
        "parts": parts_of(EVENTS),
        "weights": {
            "measured": {"network": 10.0, "language_model.layers": 4.0},
            "whole": {"network": 40.0, "language_model.layers": 68.0},
        },
    }
    assert [row[-1] for row in block_table.part_rows(record)] == ["52", "51", "51"]
