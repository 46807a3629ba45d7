# SPDX-License-Identifier: Apache-2.0
"""The report of a quantized bundle: verdict first, then every figure there is a record for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from calib_tools.report import quantization_plots as plots
from calib_tools.report.page import write_report
from calib_tools.report.quantization import quantization_sections
from calib_tools.report.run_data import OTHERS, read_bundle
from quantvla_ros.errors import QuantVLAError

pytestmark = pytest.mark.usefixtures("measured_here")
SAMPLES = observations(24)
NOT_TRANSFORMED = "Layers not transformed"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


@pytest.fixture(scope="module")
def static(path):
    recipe = Recipe(scheme="w4a8", rounding="rtn", activations="static")
    return quantized(path, "static", recipe)


def quantized(path, name, recipe):
    quantize_bundle(
        path,
        Samples(SAMPLES[:14], SAMPLES[14:], "0" * 64),
        replace(recipe, target="reference"),  # which loads at once
        path.parent / name,
        False,
        None,
        lambda text, done: None,
    )
    return path.parent / name


def page_of(run, tmp_path, force=False):
    write_report(run, tmp_path / "page.html", force)
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


def test_the_rounding_of_a_layer_is_told_where_it_is_another_than_the_recipes(path, tmp_path):
    """GPTQ has nothing to go by in layers that no action depends on."""
    bundle = quantized(path, "gptq", Recipe(scheme="w4a8", rounding="gptq"))
    record = json.loads((bundle / "layers.json").read_text())
    unseen = [row["name"] for row in record["layers"] if "tokens" not in row]
    assert len(unseen) == 5
    assert [row["name"] for row in record["layers"] if row["rounding"] == "clip"] == unseen
    assert {row["rounding"] for row in record["layers"]} == {"gptq", "clip"}
    words = "Where too few inputs were seen, the rounding is clip: "
    words += "language_model * q (1), language_model * o (1)"
    assert words in page_of(bundle, tmp_path)


def test_layers_without_a_clip_are_per_token(path, tmp_path):
    page = page_of(quantized(path, "dynamic", Recipe(rounding="rtn")), tmp_path)
    assert "per token" in page and "Sensitivity" not in titles(page)


def test_a_search_shows_its_ranking_and_says_how_much_of_it(path, tmp_path):
    size = sum(read_bundle(quantized(path, "plain", Recipe(rounding="rtn"))).float_16.values())
    recipe = Recipe(rounding="rtn", layout="llm+dit", budget=int(size * 0.75))
    searched = quantized(path, "searched", recipe)
    page = page_of(searched, tmp_path)
    assert "Sensitivity" in titles(page)
    assert "this layer alone (red: chosen)" in page
    assert "The worst first: 40 of 56 pairs of a layer and its bits are shown." in page
    assert drawn_pairs(page) == 40
    record = json.loads((searched / "sensitivity.json").read_text())
    record["layers"] = record["layers"][:12]
    (searched / "sensitivity.json").write_text(json.dumps(record))
    short = page_of(searched, tmp_path, force=True)
    assert "12 of 12 pairs" in short and drawn_pairs(short) == 12


def drawn_pairs(page):
    """Labels of the ranking; text of a figure is text."""
    return len(re.findall(r">(?:language_model|action_expert) \d \w+ [48] bit<", page))


def test_layers_that_a_transform_left_alone_are_told_with_the_reason(path, tmp_path):
    recipe = Recipe(rounding="rtn", transforms=("smoothquant", "hadamard"))
    rows = table_of(page_of(quantized(path, "transformed", recipe), tmp_path), NOT_TRANSFORMED)
    # Of two language layers; what reaches no action is not observed.
    assert rows[0][:2] == ["smoothquant", "language_model * o (1)"]
    assert "rotate it instead" in rows[0][2]
    (rotated,) = rows[1:]
    assert rotated[0] == "hadamard" and "smooth it instead" in rotated[2]
    assert {
        "language_model * k (2)",
        "language_model * q (1)",
        "action_expert * up (2)",
    } <= set(rotated[1].split(", "))
    assert "language_model * o" not in rotated[1] and "down" not in rotated[1]


def table_of(page, title):
    text = page[page.index(f"<h2>{title}</h2>") :]
    rows = re.findall("<tr>(<td>.*?)</tr>", text[: text.index("</table>")])
    return [[unescape(cell) for cell in re.findall("<td>(.*?)</td>", row)] for row in rows]


def test_without_such_layers_there_is_no_such_section(static, tmp_path):
    record = json.loads((static / "layers.json").read_text())
    assert record["not_transformed"] == {}
    assert NOT_TRANSFORMED not in titles(page_of(static, tmp_path))
    nothing = {**record, "not_transformed": {"smoothquant": {}}}  # it transformed every layer
    found = quantization_sections(replace(read_bundle(static), layers=nothing))
    assert NOT_TRANSFORMED not in [section.title for section in found]


@pytest.mark.parametrize(
    ("name", "brief"),
    [
        ("language_model.layers.3.self_attn.q_proj", "language_model 3 q"),
        ("action_expert.layers.11.mlp.down_proj 4 bit", "action_expert 11 down 4 bit"),
        ("multi_modal_projector", "multi_modal_projector"),
    ],
)
def test_a_name_is_shortened_at_its_parts_alone(name, brief):
    assert plots.short(name) == brief


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


def test_the_fit_to_static_ranges_is_told(path, tmp_path):
    recipe = Recipe(
        rounding="rtn", activations="static", transforms=("smoothquant", "hadamard"),
    )  # fmt: skip
    page = page_of(quantized(path, "fitted", recipe), tmp_path)
    rows = table_of(page, "Fit to static ranges")
    # Two language and two expert layers; of the last language layer only k and v are reached.
    assert len(rows) == 9 and any(row[0] == "language_model 0 o" for row in rows)
    assert all(float(row[4]) <= float(row[3]) for row in rows)
    assert "Float stay none" in page
