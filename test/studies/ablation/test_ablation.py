# SPDX-License-Identifier: Apache-2.0
"""The ablation on a tiny policy; who plays its closed loop is made up."""

from __future__ import annotations

import json
import shutil

import pytest
from support.evaluation_players import Weak

from calib_tools.evaluate import run as evaluation_run
from calib_tools.evaluate import variants as variants_module
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.storage import WEIGHTS, file_hash, load_manifest
from quantvla_ros.errors import QuantVLAError
from studies.ablation import making, run
from studies.ablation.catalogue import Study, budget_between, catalogue, choose
from studies.ablation.table import KIND, closed_rows, open_rows
from studies.documents import tables as document_tables
from studies.study import read_study

CHOSEN = ["w4a8-gptq+both", "mixed", "w3a8-rtn"]


@pytest.fixture(scope="module")
def record(tmp_path_factory, tiny_bundle, tiny_buffer, measured_here):
    out = tmp_path_factory.mktemp("ablation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants_module, "check_fits_robot", lambda manifest, path: None)
        patch.setattr(evaluation_run, "make_player", Weak)
        found = run.ablate(tiny_bundle, tiny_buffer, CHOSEN, ["normal"], ["pick_place"], 40, 1, out)
    return out, found


def test_every_part_of_the_method_has_its_variant():
    variants = {v.name: v.how for v in catalogue(1000)}
    assert len(variants) == len(catalogue(1000))
    for scheme in ("w8a8", "w4a8"):
        for name in (
            "all", "rtn", "smoothquant", "hadamard", "duquant", "gptq", "gptq+atm", "gptq+ohb",
            "gptq+both", "gptq-smoothquant", "gptq-hadamard", "gptq-sequential", "whole",
        ):  # fmt: skip
            assert f"{scheme}-{name}" in variants
    assert {"w4a4-gptq", "w3a8-whole", "w2a8-gptq+both", "mixed"} <= set(variants)
    for name, how in variants.items():
        fake = isinstance(how, Study)
        assert fake == ("duquant" in name or name.startswith(("w2", "w3", "w4a4")))
        if isinstance(how, Recipe):
            how.checked()


def test_variants_are_chosen_by_pattern():
    names = [v.name for v in choose(catalogue(1000), ["w4a8-gptq+*", "mixed"])]
    assert names == ["w4a8-gptq+atm", "w4a8-gptq+ohb", "w4a8-gptq+both", "mixed"]
    with pytest.raises(QuantVLAError, match="No variant matches 'w5'"):
        choose(catalogue(1000), ["w5"])


def test_the_record_holds_open_and_closed_loop(record):
    out, found = record
    assert read_study(out / run.RECORD, KIND) == json.loads(json.dumps(found))
    rows = {row["name"]: row for row in found["variants"]}
    assert list(rows) == [v.name for v in choose(catalogue(1), CHOSEN)]
    assert rows["w3a8-rtn"]["gate"]["kernel"] == "fake quantization"
    assert rows["w3a8-rtn"]["gate"]["chunk_mae"] > rows["w4a8-gptq+both"]["gate"]["chunk_mae"]
    assert rows["mixed"]["weight_bytes"]["all"] < rows["mixed"]["weight_bytes"]["all_float"]
    weak = rows["w3a8-rtn"]["closed_loop"]["normal"]
    assert weak["successes"] == 20 and weak["below_float"]
    assert weak["gate_agrees"] == (not rows["w3a8-rtn"]["gate"]["passed"])
    assert weak["won"] == "10" * 20 and found["float"]["normal"]["won"] == "1" * 40
    study = file_hash(out / "variants" / "w3a8-rtn.safetensors")
    assert rows["w3a8-rtn"]["sha256"] == study
    assert rows["mixed"]["sha256"] == load_manifest(out / "variants" / "mixed").files[WEIGHTS]
    strong = rows["w4a8-gptq+both"]["closed_loop"]["normal"]
    assert strong["difference"] == 0 and not strong["below_float"]
    assert strong["gate_agrees"] == rows["w4a8-gptq+both"]["gate"]["passed"]


def test_the_mixed_variant_meets_the_budget_half_way(record, tiny_bundle):
    out, _found = record
    manifest = load_manifest(out / "variants" / "mixed")
    kinds = {layer.precision for layer in manifest.quantization.layers}
    assert {"int8", "int4"} & kinds
    size = (out / "variants" / "mixed" / "weights.safetensors").stat().st_size
    assert size <= budget_between(load_manifest(tiny_bundle)) * 1.05


def test_what_is_made_and_played_is_not_done_again(record, tiny_bundle, tiny_buffer, monkeypatch):
    out, found = record
    monkeypatch.setattr(variants_module, "check_fits_robot", lambda manifest, path: None)
    monkeypatch.setattr(evaluation_run, "make_player", None)  # nobody may play
    monkeypatch.setattr(making.VariantStore, "_real", None)
    monkeypatch.setattr(making.VariantStore, "_studied", None)
    again = run.ablate(tiny_bundle, tiny_buffer, CHOSEN, ["normal"], ["pick_place"], 40, 1, out)
    assert again["variants"] == found["variants"]


def test_other_thresholds_judge_again_what_is_made(
    record, tiny_bundle, tiny_buffer, tmp_path, monkeypatch
):
    out, found = tmp_path / "copy", record[1]
    shutil.copytree(record[0], out)
    before = {row["name"]: row["gate"] for row in found["variants"]}
    monkeypatch.setattr(making.VariantStore, "_real", None)
    monkeypatch.setattr(making.VariantStore, "_studied", None)
    strict = making.load_thresholds().model_copy(update={"error_share": 1e-9})
    with monkeypatch.context() as patch:
        patch.setattr(making, "load_thresholds", lambda: strict)
        stricter = run.ablate(tiny_bundle, tiny_buffer, CHOSEN, [], [], 0, 1, out)
    for row in stricter["variants"]:
        gate, name = row["gate"], row["name"]
        assert not gate["passed"] and gate["thresholds"]["error_share"] == 1e-9
        assert gate["chunk_mae"] == pytest.approx(before[name]["chunk_mae"], rel=0.05)
        assert gate["kernel"] == before[name]["kernel"] or not row["fake"]
    again = run.ablate(tiny_bundle, tiny_buffer, CHOSEN, [], [], 0, 1, out)
    assert [row["gate"]["passed"] for row in again["variants"]] == [
        before[row["name"]]["passed"] for row in again["variants"]
    ]


def test_what_cannot_be_made_is_told_and_the_rest_goes_on(
    tmp_path, tiny_bundle, tiny_buffer, monkeypatch
):
    def impossible(*_):
        raise QuantVLAError("a budget of 1 bytes cannot be met")

    monkeypatch.setattr(making.VariantStore, "_real", impossible)
    found = run.ablate(
        tiny_bundle, tiny_buffer, ["mixed", "w4a4-rtn"], ["normal"], [], 0, 1, tmp_path / "out"
    )
    refused, made = found["variants"]
    assert refused["refused"].startswith("a budget") and made["gate"]["samples"] == 8
    assert next(row[-1] for row in open_rows(found)) == "not possible"
    assert closed_rows(found) == []


def test_a_directory_of_something_else_is_refused(tmp_path, record, tiny_buffer, tiny_bundle):
    out, _ = record
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(QuantVLAError, match=r"was not begun by `studies\.ablation`"):
        run.ablate(tiny_bundle, tiny_buffer, CHOSEN, [], [], 0, 1, tmp_path)
    with pytest.raises(QuantVLAError, match="already quantized"):
        run.ablate(out / "variants" / "mixed", tiny_buffer, CHOSEN, [], [], 0, 1, tmp_path / "x")


def test_documents_show_it(record):
    out, _ = record
    text = document_tables.markdown(out / run.RECORD)
    assert "| w3a8-rtn | normal | 20 of 40 | 50.0 % |" in text
    assert "Setting normal: 40 paired episodes, 1 of 3 variants below float" in text
