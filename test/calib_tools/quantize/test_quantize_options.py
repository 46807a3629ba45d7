# SPDX-License-Identifier: Apache-2.0
"""Every option of `quantvla quantize` arrives; those that would do nothing are refused."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
import typer
from support.gate_records import gate_record
from typer.testing import CliRunner

from calib_tools.cli import app
from calib_tools.quantize import quantizing
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.errors import QuantVLAError

# Option, arguments, and what they change in the recipe; some need others beside them.
ARRIVE = {
    "--scheme": (["--scheme", "w4a16"], {"scheme": "w4a16"}),
    "--layout": (["--layout", "llm"], {"layout": "llm"}),
    "--target": (["--target", "reference"], {"target": "reference"}),
    "--rounding": (["--rounding", "clip"], {"rounding": "clip"}),
    "--transform": (
        ["--transform", "hadamard", "--transform", "smoothquant"],
        {"transforms": ("hadamard", "smoothquant")},
    ),
    "--activations": (["--activations", "static"], {"activations": "static"}),
    "--range": (
        ["--activations", "static", "--range", "percentile"],
        {"activations": "static", "range": "percentile"},
    ),
    "--group": (["--scheme", "w4a8", "--group", "16"], {"scheme": "w4a8", "group": 16}),
    "--keep-float": (
        ["--keep-float", "*.0.*", "--keep-float", "*.o_proj"],
        {"keep_float": ("*.0.*", "*.o_proj")},
    ),
    "--budget": (["--budget", "12345"], {"budget": 12345}),
    "--sequential": (["--sequential"], {"sequential": True}),
    "--float-share": (["--float-share", "0.1"], {"float_share": 0.1}),
    "--added-products": (
        ["--activations", "static", "--transform", "hadamard", "--added-products", "0.02"],
        {"activations": "static", "transforms": ("hadamard",), "added_products": 0.02},
    ),
    "--ray": (["--budget", "9", "--ray", "10.0.0.1:6379"], {"budget": 9}),
}
OTHERS = {"--out", "--force", "--json", "--samples"}


@pytest.fixture
def quantize(monkeypatch, tiny_bundle, tiny_buffer, tmp_path):
    """Runs the command up to the quantization; gives what that was called with."""
    signature, called = inspect.signature(quantizing.quantize_bundle), []

    def recorder(*arguments):
        called.append(signature.bind(*arguments).arguments)
        return SimpleNamespace(gate=gate_record())

    monkeypatch.setattr(quantizing, "quantize_bundle", recorder)

    def run(*options):
        words = ["quantize", tiny_bundle, tiny_buffer, "--out", tmp_path / "out", *options]
        result = CliRunner().invoke(app, [*map(str, words), "--json"])
        if result.exception is not None:
            assert not called
            raise result.exception
        return called.pop()

    return run


def test_the_table_holds_every_option():
    command = typer.main.get_command(app).commands["quantize"]
    options = {p.opts[0] for p in command.params if p.param_type_name == "option"}
    assert options == set(ARRIVE) | OTHERS


@pytest.mark.parametrize("option", ARRIVE)
def test_an_option_arrives_and_changes_nothing_else(quantize, tmp_path, option):
    arguments, fields = ARRIVE[option]
    got = quantize(*arguments)
    assert got["recipe"] == Recipe(**fields).checked()
    for field, value in fields.items():
        assert getattr(got["recipe"], field) == value
    assert got["ray"] == (arguments[-1] if option == "--ray" else None)
    assert got["out"] == tmp_path / "out" and got["force"] is False


def test_fewer_samples_calibrate_and_all_held_out_ones_judge(quantize):
    every, fewer = quantize()["data"], quantize("--samples", "8")["data"]
    assert len(fewer.calibration) == 8 < len(every.calibration)
    assert len(fewer.held_out) == len(every.held_out)


def test_without_options_the_recipe_is_the_default(quantize, tiny_bundle):
    got = quantize()
    assert got["recipe"] == Recipe().checked() and got["bundle_path"] == tiny_bundle
    assert quantize("--force")["force"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--range", "absmax"], "--range absmax .* --activations static"),
        (["--scheme", "w8a16", "--range", "percentile"], "--range percentile .*static"),
        (["--ray", "local"], "--ray .* --layout auto, --budget or"),
        (["--layout", "dit", "--ray", "10.0.0.1:6379"], "--ray .* leave it out"),
        (["--added-products", "0.1"], "--added-products .* --transform hadamard"),
        (["--float-share", "0.1", "--layout", "auto"], "--float-share .* leave it out"),
        (["--float-share", "0.1", "--sequential"], "--sequential .* --float-share"),
        (["--float-share", "0.9"], "--float-share 0.9 is not between"),
    ],
    ids=str,
)
def test_an_option_that_would_do_nothing_is_refused(quantize, tmp_path, arguments, words):
    with pytest.raises(QuantVLAError, match=words) as error:
        quantize(*arguments)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_ray_is_for_every_search(quantize):
    assert quantize("--layout", "auto", "--ray", "local")["ray"] == "local"
