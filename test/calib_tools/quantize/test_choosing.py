# SPDX-License-Identifier: Apache-2.0
"""`--layout auto` and `--budget` on a tiny policy."""

from __future__ import annotations

import json

import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize import choosing
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, load_manifest
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.gate import load_thresholds

pytestmark = pytest.mark.usefixtures("measured_here")
SAMPLES = observations(24)
UNUSED = "language_model.layers.1.self_attn.q_proj"  # no action depends on it


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


def quantize(path, out, ray=None, **recipe):
    return quantize_bundle(
        path,
        Samples(SAMPLES[:14], SAMPLES[14:], "0" * 64),
        Recipe(rounding="rtn", target="reference", **recipe),  # which loads at once
        out,
        False,
        ray,
        lambda text, done: None,
    )


def disk_bytes(path):
    return sum(t.nbytes for t in _stored(path).values())


def _stored(path):
    from safetensors.torch import load_file

    return load_file(path / "weights.safetensors")


@pytest.fixture(scope="module")
def budgeted(path):
    """Half way between all at four bits and float."""
    budget = int(disk_bytes(path) * 0.75)
    return quantize(path, path.parent / "budget", budget=budget, layout="llm+dit"), budget


def test_a_budget_is_met_by_mixing_and_the_bundle_loads(path, budgeted):
    report, budget = budgeted
    held = disk_bytes(report.path)
    assert 0.9 * budget < held <= budget
    manifest = load_manifest(report.path)
    kinds = {r.precision for r in manifest.quantization.layers if r.name.startswith("l")}
    assert len(kinds) > 1
    assert load_bundle(report.path).manifest.quantization.layout == "auto"
    count = sum(r.precision != "float" for r in manifest.quantization.layers)
    assert load_policy(report.path, "reference").integer_layers == count


def test_the_ranking_is_stored_with_every_denoise_step(budgeted):
    report, budget = budgeted
    table = json.loads((report.path / "sensitivity.json").read_text())
    assert table["budget_bytes"] == budget
    rows = table["layers"]
    assert len(rows) == 2 * 2 * (7 + 7)
    errors = [row["action_error"] for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert all(len(row["step_errors"]) == 3 for row in rows)
    by_key = {(row["name"], row["bits"]): row for row in rows}
    assert by_key[UNUSED, 4]["action_error"] == 0.0
    assert by_key[UNUSED, 4]["chosen"]
    fours = sum(row["action_error"] for row in rows if row["bits"] == 4)
    assert fours > 5 * sum(row["action_error"] for row in rows if row["bits"] == 8)
    chosen = {row["name"]: row["bits"] for row in rows if row["chosen"]}
    records = {r.name: r.precision for r in report.quantization.layers if r.precision != "float"}
    assert records == {name: f"int{bits}" for name, bits in chosen.items()}


def test_a_budget_that_cannot_be_met_names_the_least(path, tmp_path):
    with pytest.raises(QuantVLAError, match="budget of 10 bytes cannot be met"):
        quantize(path, tmp_path / "out", budget=10)
    assert list(tmp_path.iterdir()) == []


def test_auto_takes_the_most_that_the_gate_allows(path, tmp_path, monkeypatch):
    """With a limit that some layers break together, and then with none at all."""
    wide = load_thresholds().model_copy(
        update={
            "error_share": 1e9,
            "chunk_max": 1e9,
            "chunk_max_m": 1e9,
            "cosine": -2.0,
            "gripper_flips": 2.0,
        }
    )
    wide = wide.model_copy(update={"jerk_ratio": 1e9})
    monkeypatch.setattr(choosing, "stricter", lambda _: wide)
    everything = quantize(path, tmp_path / "all", layout="auto")
    count = sum(r.precision == "int8" for r in everything.quantization.layers)
    assert count == 28
    limit = wide.model_copy(update={"error_share": everything.gate.worst.error_share / 4})
    monkeypatch.setattr(choosing, "stricter", lambda _: limit)
    some = quantize(path, tmp_path / "some", layout="auto")
    kept = sum(r.precision == "int8" for r in some.quantization.layers)
    assert 5 <= kept < 28  # five layers reach no action
    assert some.gate.worst.error_share < everything.gate.worst.error_share / 2


def test_the_search_is_stricter_than_the_gate():
    limits, strict = load_thresholds(), choosing.stricter(load_thresholds())
    assert strict.error_share < limits.error_share and strict.chunk_max < limits.chunk_max
    assert strict.cosine > limits.cosine
    assert 1.0 < strict.jerk_ratio < limits.jerk_ratio


@pytest.mark.slow
def test_a_ray_cluster_finds_the_same(path, budgeted, tmp_path):
    pytest.importorskip("ray")
    report, budget = budgeted
    again = quantize(path, tmp_path / "ray", ray="local", budget=budget, layout="llm+dit")
    for name in ("weights.safetensors", "bundle.yaml", "sensitivity.json"):
        assert (again.path / name).read_bytes() == (report.path / name).read_bytes()
