# SPDX-License-Identifier: Apache-2.0
"""Refusals, harmless damages and failures are told apart; a crash ends one case only."""

from __future__ import annotations

import pytest
from support.failing_attempt import ends_in_every_way

from studies.fuzz.file_study import study, study_files
from studies.fuzz.table import markdown


def silent(text):
    assert text


def test_every_end_of_a_case_is_counted_once():
    row = study("bag", ends_in_every_way, 24, 3, silent)
    assert row["accepted"] + row["refused"] + len(row["failed"]) == row["cases"] == 24
    errors = {failure["error"]: failure["text"] for failure in row["failed"]}
    assert errors == {"ValueError": "not told as one of ours", "crash": "SIGSEGV"}
    assert len({failure["case"] for failure in row["failed"]}) == len(row["failed"])
    assert row == study("bag", ends_in_every_way, 24, 3, silent)
    assert f"| 24 | {row['refused']} | {row['accepted']} |" in markdown({"kinds": [row]})


@pytest.mark.slow
def test_damaged_files_are_refused_or_harmless():
    kinds = ["bundle", "buffer", "bag", "parameters", "configuration", "picture"]
    rows = study_files(kinds, 60, 1, silent)
    assert [row["kind"] for row in rows] == kinds
    assert {row["kind"]: row["failed"] for row in rows if row["failed"]} == {}
    assert all(row["refused"] for row in rows)
