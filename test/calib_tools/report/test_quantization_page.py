# SPDX-License-Identifier: Apache-2.0
"""The report of a quantized bundle: verdict first, then every figure there is a record for."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from tiny_policy import observations, save_tiny_bundle

from calib_tools.quantizing import quantize_bundle
from calib_tools.recipe import Recipe
from calib_tools.report import quantization_plots as plots
from calib_tools.report.bundle_data import OTHERS, read_bundle
from calib_tools.report.page import write_report
from quantvla_ros.errors import QuantVLAError

SAMPLES = observations(24)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


@pytest.fixture(scope="module")
def static(path):
    recipe = Recipe(scheme="w4a8", base="rtn", activations="static")
    return quantized(path, "static", recipe)


def quantized(path, name, recipe):
    quantize_bundle(
        path, SAMPLES[:14], SAMPLES[14:], "0" * 64, recipe, path.parent / name, False, None,
        lambda text, done: None,
    )  # fmt: skip
    return path.parent / name


def page_of(run, tmp_path):
    write_report(run, tmp_path / "page.html", force=False)
    return (tmp_path / "page.html").read_text()


def titles(page):
    return re.findall("<h2>(.*?)</h2>", page)


def test_the_verdict_comes_first_and_every_part_has_its_figure(static, tmp_path):
    page = page_of(static, tmp_path)
    assert titles(page) == [
        "Gate", "Memory by component", "Error of each layer", "Ranges of the inputs",
        "Attention temperature and output balance", "Layers",
    ]  # fmt: skip
    assert page.count("<svg") == 5
    assert re.search(r"The gate (passed|failed: )", page)
    assert "diamond: clip" in page and "spread / float" in page and "less than in fp16" in page
    assert "not measured" not in page  # the action error of each layer of a small network


def test_layers_without_a_clip_are_per_token(path, tmp_path):
    page = page_of(quantized(path, "dynamic", Recipe(base="rtn")), tmp_path)
    assert "per token" in page and "Sensitivity" not in titles(page)


def test_a_search_shows_its_ranking(path, tmp_path):
    size = sum(read_bundle(quantized(path, "plain", Recipe(base="rtn"))).float_16.values())
    recipe = Recipe(base="rtn", layout="llm+dit", budget=int(size * 0.75))
    page = page_of(quantized(path, "searched", recipe), tmp_path)
    assert "Sensitivity" in titles(page)
    assert "this layer alone (red: chosen)" in page


def test_bytes_are_those_of_the_file_and_of_sixteen_bits(path, static):
    data = read_bundle(static)
    size = (static / "weights.safetensors").stat().st_size
    assert 0.85 * size < sum(data.held.values()) < size
    plain = (path / "weights.safetensors").stat().st_size
    assert 0.85 * plain < sum(data.float_16.values()) < plain
    assert data.held[OTHERS] == data.float_16[OTHERS]
    assert data.held["llm_mlp"] < 0.35 * data.float_16["llm_mlp"]
    assert data.held["dit_attn"] == data.float_16["dit_attn"]


def test_a_float_bundle_and_a_damaged_record_are_refused(path, static, tmp_path):
    with pytest.raises(QuantVLAError, match="is not quantized"):
        write_report(path, tmp_path / "page.html", force=False)
    kept = (static / "layers.json").read_text()
    (static / "layers.json").write_text("{")
    try:
        with pytest.raises(QuantVLAError, match=r"layers\.json.* is damaged"):
            write_report(static, tmp_path / "page.html", force=False)
    finally:
        (static / "layers.json").write_text(kept)
    assert not (tmp_path / "page.html").exists()


def test_figures_are_drawn_for_a_single_layer_and_for_neutral_corrections(static):
    record = json.loads((static / "layers.json").read_text())
    one = record["layers"][:1]
    for figure in (
        plots.error_figure(one),
        plots.range_figure(one),
        plots.correction_figure({"layers.0": [1.0, 1.0]}, {"layers.0": 1.0}),
        plots.temperature_figure(record["corrections"]["logits"]),
    ):
        ElementTree.fromstring(figure)
    assert "not measured" in plots.error_figure([{**one[0], "action_error": None}])
