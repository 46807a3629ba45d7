# SPDX-License-Identifier: Apache-2.0
"""Each part's share of success, from made-up records, and bootstrap intervals."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from calib_tools.common.output import write_json
from studies.ablation.catalogue import catalogue
from studies.ablation.run import _against, _alone
from studies.ablation.steps import (
    RESAMPLED,
    Step,
    compare,
    mean_interval,
    ratio_interval,
    steps,
    written,
)
from studies.ablation.table import (
    RECORD,
    grids,
    lines,
    same_networks,
    step_rows,
)
from studies.documents import tables as document_tables
from studies.study import show_record


def test_intervals_are_percentiles_of_resampled_means():
    rng = np.random.default_rng(5)
    before = rng.gamma(2.0, 1.0, 70)
    after = before * rng.uniform(0.5, 1.5, 70)
    drawn = np.random.default_rng(1).integers(0, 70, (RESAMPLED, 70))
    first, second = before[drawn].mean(axis=1), after[drawn].mean(axis=1)
    ends = [0.025, 0.975]
    assert mean_interval(before) == pytest.approx(np.quantile(first, ends))
    assert ratio_interval(before, after) == pytest.approx(np.quantile(second / first, ends))


FLOAT = "1111111101"
OUTCOMES = {"w4a8-all": "0000000001", "w4a8-rtn": "1111110001", "w4a8-duquant": "1111110001"}


def outcomes(text: str) -> list[bool]:
    return [solved == "1" for solved in text]


def variant(name: str, won: str | None, **more) -> dict:
    gate = {
        "passed": True, "samples": 8, "error_share": 0.1, "chunk_mae": 0.001, "chunk_max": 0.01,
        "cosine": 0.999,
        "gripper_flips": 0, "gripper_commands": 2,
    }  # fmt: skip
    row = {
        "name": name,
        "fake": "duquant" in name,
        "how": {},
        "gate": gate,
        "corrections": {"fitted": [], "kept": []},
        "integer_layers": 4,
        "weight_bytes": None,
    }
    if won is not None:
        against = _against(outcomes(FLOAT), outcomes(won), gate["passed"])
        row["closed_loop"] = {"normal": against}
    return {**row, **more}


def made_up(*variants: dict) -> dict:
    return {
        "schema": 1,
        "kind": "studies.ablation",
        "bundle": "ab" * 32,
        "samples": {"calibration": 24, "held_out": 8},
        "cpu": {"model": "a CPU", "vnni": True, "cores": 2},
        "float": {"normal": _alone(outcomes(FLOAT))},
        "variants": list(variants),
    }


@pytest.fixture
def record() -> dict:
    return made_up(*(variant(name, won) for name, won in OUTCOMES.items()))


def test_steps_are_found_by_name_where_both_are_there():
    names = ["w8a8-gptq", "w4a8-rtn", "mixed", "w4a8-gptq", "w4a8-gptq+both", "w3a8-rtn"]
    assert steps(names) == [
        Step("w4a8-rtn", "w4a8-gptq", "GPTQ"),
        Step("w4a8-gptq", "w4a8-gptq+both", "ATM and OHB"),
    ]
    assert steps(["w8a8-rtn", "w4a8-gptq"]) == []  # not of one scheme
    assert steps(["w4a4-all-gptq", "w4a4-all", "w4a4-gptq"]) == [
        Step("w4a4-all", "w4a4-all-gptq", "GPTQ"),
        Step("w4a4-all-gptq", "w4a4-gptq", "layout"),
    ]


def test_every_step_of_the_catalogue_adds_one_thing():
    how = {v.name: asdict(v.how) for v in catalogue(1000)}
    found = steps(how)
    assert {step.before.partition("-")[0] for step in found} == {
        "w8a8", "w4a8", "w3a8", "w2a8", "w4a4",
    }  # fmt: skip
    stand_alone = {name for name in how if not any(name in (s.before, s.after) for s in found)}
    assert stand_alone == {"mixed"}
    for step in found:
        before, after = how[step.before], how[step.after]
        changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
        expected = {"transforms", "corrections"} if " and corrections" in step.adds else changed
        assert changed == expected and len(expected) == (1 + (" and corrections" in step.adds))


def test_outcomes_are_kept_in_the_order_of_the_plan():
    assert written([True, False, False, True]) == "1001"
    assert _alone([True, False])["won"] == "10"
    assert _against([True, True], [False, True], True)["won"] == "01"
    pairs = compare("1100", "1010")
    assert (pairs.both, pairs.first_only, pairs.second_only, pairs.neither) == (1, 1, 1, 1)
    with pytest.raises(ValueError):
        compare("11", "1")


def test_a_row_says_what_a_part_adds(record):
    # One episode both solve, six only the second, three neither. Wilson: 1.79 to 40.41 % before,
    # 39.68 to 89.22 % after; correlation 0, since 1*3 - 0*6 is below 10/2; so Newcombe's ends are
    # 60 - sqrt(30.32^2 + 30.42^2) and 60 + sqrt(8.21^2 + 19.22^2). McNemar: 2 / 2^6.
    layout = ["10.0 %", "70.0 %", "+60.0", "+17.1 to +80.9", "0.0312"]
    rows = step_rows(record)
    assert rows[0] == ["w4a8-all to w4a8-rtn", "layout", "normal", *layout]
    assert rows[1][:6] == [
        "w4a8-rtn to w4a8-duquant", "DuQuant (fake)", "normal", "70.0 %", "70.0 %", "+0.0",
    ]  # fmt: skip
    assert rows[1][-1] == "1" and len(rows) == 2


def test_what_was_not_played_has_no_row(record):
    refused = {"name": "w4a8-clip", "fake": False, "how": {}, "refused": "It cannot be had."}
    record["variants"] += [refused, variant("w4a8-gptq", None)]
    assert len(step_rows(record)) == 2
    record["variants"][0]["closed_loop"]["hard"] = record["variants"][0]["closed_loop"]["normal"]
    assert [row[2] for row in step_rows(record)] == ["normal", "normal"]


def test_documents_and_the_terminal_show_the_parts(tmp_path, record, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for row in record["variants"][1:]:
        row["sha256"] = "aa"
    write_json(tmp_path / RECORD, record)
    text = document_tables.markdown(tmp_path / RECORD)
    row = "| w4a8-all to w4a8-rtn | layout | normal | 10.0 % | 70.0 % | +60.0 | +17.1 to +80.9 |"
    same = "w4a8-duquant is the same network as w4a8-rtn."
    assert row in text and text.endswith(f"\n\n{same}")
    show_record(record, False, lines(record), grids(record), tmp_path / RECORD)
    shown = capsys.readouterr().out
    assert "w4a8-all to w4a8-rtn" in shown and same in shown


def test_equal_networks_are_told():
    rows = [
        variant("w4a8-gptq", None, sha256="aa"),
        variant("w4a8-gptq+atm", None, sha256="aa"),
        variant("w4a8-gptq+ohb", None, sha256="bb"),
        variant("w4a8-gptq+both", None, sha256="aa"),
        variant("w8a8-gptq", None),
        variant("w8a8-gptq+atm", None),
    ]
    assert same_networks(made_up(*rows)) == (
        "w4a8-gptq+atm is the same network as w4a8-gptq. "
        "w4a8-gptq+both is the same network as w4a8-gptq."
    )
