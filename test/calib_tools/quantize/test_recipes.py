# SPDX-License-Identifier: Apache-2.0
"""Every kind of quantization on a tiny policy: what is written, and what it is worth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize.judging import chunks_of
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import (
    ADDED_PRODUCTS,
    FLOAT_SHARE,
    RANGES,
    ROUNDINGS,
    Recipe,
)
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization import layerwise, ranges
from quantvla_ros.quantization.quantized_linear import quantized_layers

pytestmark = pytest.mark.usefixtures("measured_here")
SAMPLES = observations(20)
CALIBRATION, HELD_OUT = SAMPLES[:12], SAMPLES[12:]
DOWN = "language_model.layers.0.mlp.down_proj"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


def quantize(path, out, target="reference", **recipe):
    """For the yardstick, which loads at once, where a test asks for no other."""
    recipe["target"] = target
    return quantize_bundle(
        path, Samples(CALIBRATION, HELD_OUT, "0" * 64), Recipe(**recipe), out, False, None,
        lambda text, done: None,
    )  # fmt: skip


def error_of(path, bundle):
    reference = load_policy(path, "reference")
    got = load_policy(bundle, "reference")
    return float(np.abs(chunks_of(reference, HELD_OUT) - chunks_of(got, HELD_OUT)).mean())


def records(bundle):
    return {r.name: r for r in load_manifest(bundle).quantization.layers}


def test_names_that_need_no_torch_are_those_of_the_code_behind_them():
    assert set(ROUNDINGS) == set(layerwise.ROUNDINGS)
    assert RANGES == ranges.RANGES


@pytest.mark.parametrize(
    "recipe",
    [
        {"scheme": "w4a8", "group": 8, "rounding": "clip"},
        {"scheme": "w8a16", "rounding": "rtn"},
        {"scheme": "w4a16", "transforms": ("smoothquant", "hadamard")},
        {"scheme": "w8a8", "activations": "static"},
        {"scheme": "w4a8", "layout": "all", "rounding": "rtn", "corrections": ()},
        {"scheme": "w4a8", "layout": "llm+dit", "sequential": True},
    ],
    ids=str,
)
def test_what_was_judged_is_what_is_loaded(path, tmp_path, recipe):
    report = quantize(path, tmp_path / "out", "cpu", **recipe)
    assert {p.name for p in tmp_path.iterdir()} == {"out"}
    policy = load_policy(report.path, "cpu")
    reference = load_policy(path, "reference")
    wanted, got = chunks_of(reference, HELD_OUT), chunks_of(policy, HELD_OUT)
    mae = np.abs(wanted - got)[..., :2].mean()
    assert mae == pytest.approx(report.gate.worst.chunk_mae, rel=1e-3)
    layer = records(report.path)[DOWN]
    assert layer.precision == f"int{recipe['scheme'][1]}"
    assert layer.group == recipe.get("group")
    assert (layer.rotation is not None) == ("hadamard" in recipe.get("transforms", ()))
    wanted = "float" if "a16" in recipe["scheme"] else recipe.get("activations", "dynamic")
    assert layer.activation == wanted


def test_four_bits_are_better_with_gptq_than_to_nearest(path, tmp_path):
    """One layer's output, on the inputs that were observed: what GPTQ promises."""
    lost = {}
    for rounding in ROUNDINGS:
        report = quantize(path, tmp_path / rounding, scheme="w4a8", rounding=rounding)
        rows = json.loads((report.path / "layers.json").read_text())["layers"]
        seen = [row["output_error"] for row in rows if row["output_error"] is not None]
        assert len(seen) == 2 * 7 + 2 * 3 - 5  # the last layer's queries and MLP reach no action
        lost[rounding] = sum(seen)
    assert lost["gptq"] < 0.7 * lost["rtn"]


def test_static_ranges_and_tails_are_recorded(path, tmp_path):
    clips = {}
    for method in RANGES:
        report = quantize(
            path, tmp_path / method, activations="static", range=method, rounding="rtn"
        )
        rows = json.loads((report.path / "layers.json").read_text())["layers"]
        row = next(row for row in rows if row["name"] == DOWN)
        assert row["range"] == method and row["tail_ratio"] > 1
        clips[method] = row["clip"]
        assert row["clip"] <= row["input_absmax"] * (1 + 1e-6)
        largest = load_manifest(report.path).quantization.largest
        assert set(largest) == {"vision", "language", "expert"}
    assert clips["percentile"] < clips["absmax"]


def test_layers_kept_float_are_float_and_the_bundle_loads(path, tmp_path):
    report = quantize(path, tmp_path / "out", keep_float=("*.layers.0.mlp.*",))
    kept = [name for name, r in records(report.path).items() if ".layers.0.mlp." in name]
    assert len(kept) == 6
    assert all(records(report.path)[name].precision == "float" for name in kept)
    assert load_policy(report.path, "reference").integer_layers == 20 - 6


def test_a_rotated_layer_that_stays_float_is_plain_again(path, tmp_path, monkeypatch):
    """A search that rejects every layer leaves the float policy, transformed or not."""
    monkeypatch.setattr("calib_tools.quantize.choosing.within_gate", lambda moves, passes: {})
    report = quantize(
        path, tmp_path / "out", layout="auto", transforms=("hadamard",), rounding="rtn"
    )
    assert all(r.precision == "float" for r in records(report.path).values())
    assert error_of(path, report.path) < 2e-3  # rounding of rotated weights to 16 bits


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"group": 24, "scheme": "w4a8"}, "layer 'language_model.layers.0.self_attn.q_proj'.*24"),
        ({"keep_float": ("*nothing*",)}, r"layout 'llm\+dit_mlp' matches '\*nothing\*'"),
        ({"keep_float": ("vision_tower.*",)}, r"layout 'llm\+dit_mlp' matches 'vision_tower"),
        ({"keep_float": ("vision_tower.*",), "layout": "auto"}, "layout 'auto' matches 'vision"),
        ({"rounding": "best"}, "unknown rounding 'best'"),
        ({"transforms": ("magic",)}, "unknown transform"),
        ({"transforms": ("duquant",)}, "studies only"),
        ({"range": "widest"}, "unknown range"),
        ({"activations": "none"}, "unknown kind of activation range"),
        ({"layout": "auto", "sequential": True}, "--sequential"),
        ({"rounding": "rtn", "sequential": True}, "--sequential changes nothing"),
        ({"budget": 10, "layout": "none"}, "nothing to quantize"),
        ({"scheme": "w4a16", "activations": "static"}, "static"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_one_sentence_and_leaves_nothing(path, tmp_path, recipe, words):
    with pytest.raises(QuantVLAError, match=words) as error:
        quantize(path, tmp_path / "out", **recipe)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(path, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(QuantVLAError, match=r"disk of .* is full"):
        quantize(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_target_with_static_ranges_gets_its_own_recipe_and_options_still_win(monkeypatch):
    monkeypatch.setattr(find_backend("reference"), "activations", "static")
    own = Recipe(target="reference").checked()
    assert (own.activations, own.transforms) == ("static", ("smoothquant", "hadamard"))
    assert own.float_share == FLOAT_SHARE and own.fits_ranges
    given = Recipe(target="reference", transforms=(), float_share=0.0).checked()
    assert given.transforms == () and given.float_share == 0.0 and not given.fits_ranges
    assert Recipe(target="reference", layout="auto").checked().float_share == 0.0
    assert Recipe(target="reference", sequential=True).checked().float_share == 0.0
    plain = Recipe(target="reference", scheme="w8a16").checked()
    assert (plain.activations, plain.transforms, plain.float_share) == ("dynamic", (), 0.0)


def test_the_recipe_for_static_ranges(path, tmp_path, monkeypatch):
    """Readers of one norm share one scale; a share stays float, whole groups of readers."""
    monkeypatch.setattr(find_backend("reference"), "activations", "static")
    report = quantize(path, tmp_path / "out", float_share=0.1)
    held = report.quantization
    sizes = {r.name: r.rows * r.cols for r in records(report.path).values() if r.role != "vision"}
    layout = [n for n in sizes if ".mlp." in n or ("language_model" in n and "self_attn" in n)]
    kept = set(held.keep_float)
    assert kept and sum(sizes[n] for n in kept) <= 0.1 * sum(sizes[n] for n in layout)
    network = load_policy(report.path, "reference").network
    layers = quantized_layers(network)
    assert set(layers) == set(layout) - kept
    for group in find_family("mini_pi05").siblings(network):
        assert len(kept & set(group)) in (0, len(kept | set(group)) - len(kept - set(group)))
        scales = {float(layers[n].activation_scale) for n in group if n in layers}
        assert len(scales) <= 1, group
    about = json.loads((report.path / "layers.json").read_text())["static_fit"]
    inputs = about["inputs"]
    assert sum(one["added"] for one in inputs) <= ADDED_PRODUCTS * about["products"]
    assert all(one["error"] <= one["plain_error"] for one in inputs)
