# SPDX-License-Identifier: Apache-2.0
"""From a float bundle to a judged INT8 bundle, on a tiny policy."""

import numpy as np
import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.bench.measuring import bench
from calib_tools.quantize.judging import judge_bundles
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, load_manifest, save_bundle
from quantvla_ros.errors import BundleError, CalibrationBufferError, QuantVLAError
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.processing.pictures import unlike
from quantvla_ros.quantization.gate import load_thresholds

SAMPLES = observations(24)
CALIBRATION, HELD_OUT = SAMPLES[:14], SAMPLES[14:]


def quantize(path, out, recipe=None, **changes):
    values = {
        "data": Samples(CALIBRATION, HELD_OUT, "0" * 64),
        "recipe": Recipe(**recipe or {}),
        "out": out,
        "force": False,
        "ray": None,
        "progress": lambda text, done: None,
        **changes,
    }
    return quantize_bundle(path, **values)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


@pytest.fixture(scope="module")
def report(path):
    return quantize(path, path.parent / "int8")


def test_bundle_holds_integers_for_the_layout_and_floats_elsewhere(report):
    bundle = load_bundle(report.path)
    records = {r.name: r for r in bundle.manifest.quantization.layers}
    integer = [name for name, record in records.items() if record.precision == "int8"]
    assert len(integer) == 2 * 7 + 2 * 3
    for name, record in records.items():
        tensor = bundle.tensors[f"{name}.weight"]
        assert tensor.shape == (record.rows, record.cols)
        assert (str(tensor.dtype) == "torch.int8") == (name in integer)
    assert records["action_expert.layers.0.self_attn.q_proj"].precision == "float"


def test_bundle_tells_what_it_was_calibrated_on(path, report):
    assert load_manifest(path).calibration is None
    calibration = load_manifest(report.path).calibration
    assert calibration.instructions == [
        "put the butter in the basket",
        "put the milk in the basket",
    ]
    assert set(calibration.cameras) == {"front", "wrist"}
    for sample in SAMPLES:
        for name, picture in sample.images.items():
            statistics = calibration.cameras[name]
            assert "too dark" in unlike(statistics, 0 * picture)
            assert abs(statistics.brightness.mean - picture.mean()) < 10


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_loaded_bundle_runs_integer_layers_close_to_float(path, report, backend):
    policy = load_policy(report.path, backend)
    teacher = load_policy(path, backend)
    assert policy.integer_layers == 20
    noise = draw_noise(policy.manifest, 0, 0)
    difference = np.abs(
        policy.infer(SAMPLES[0], noise).actions - teacher.infer(SAMPLES[0], noise).actions
    )
    assert 0 < difference.max() < 0.05
    share = {"cpu": 0.85, "reference": 0.9}[backend]  # tables of words keep their 16 bits
    assert policy.weight_bytes() < share * teacher.weight_bytes()


def test_gate_of_the_bundle_is_the_one_judged_again(path, report):
    again = judge_bundles(path, report.path, HELD_OUT)
    stored = load_manifest(report.path).gate
    assert stored == report.gate
    assert again.worst.chunk_mae == pytest.approx(stored.worst.chunk_mae, rel=0.05)
    assert again.samples == len(HELD_OUT)
    assert again.passed == stored.passed


def test_a_bundle_that_misses_a_threshold_fails(path, report):
    strict = load_thresholds().model_copy(update={"error_share": 1e-9})
    assert not judge_bundles(path, report.path, HELD_OUT, strict, "reference").passed


def test_same_buffer_same_bytes(path, report, tmp_path):
    second = quantize(path, tmp_path / "again")
    for name in ("weights.safetensors", "bundle.yaml"):
        assert (second.path / name).read_bytes() == (report.path / name).read_bytes()


def test_layout_none_is_the_float_policy(path, tmp_path):
    none = quantize(path, tmp_path / "none", recipe={"layout": "none"})
    # The yardstick draws what the engine is compared with: float rounding is between them.
    assert max(none.gate.worst.chunk_mae, none.gate.worst.error_share) < 1e-4
    assert none.gate.passed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": {"scheme": "w3a3"}}, "unknown scheme 'w3a3'"),
        ({"recipe": {"layout": "most"}}, "unknown layout 'most'"),
        ({"data": Samples(CALIBRATION, HELD_OUT[:2], "0" * 64)}, "needs 8 held-out samples"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(path, tmp_path, changes, words):
    with pytest.raises(QuantVLAError, match=words) as error:
        quantize(path, tmp_path / "out", **changes)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_quantizing_twice_is_refused(report, tmp_path):
    with pytest.raises(BundleError, match="already quantized"):
        quantize(report.path, tmp_path / "out")


def test_existing_output_needs_force(path, report):
    with pytest.raises(QuantVLAError, match="--force"):
        quantize(path, report.path)


def test_too_few_samples_to_judge_a_bundle(path, report):
    with pytest.raises(CalibrationBufferError, match="record a larger buffer"):
        judge_bundles(path, report.path, HELD_OUT[:1], backend="reference")


def test_fewer_integer_layers_than_the_layout_says_are_refused(path, report, tmp_path):
    bundle = load_bundle(report.path)
    layers = [
        r.model_copy(update={"precision": "float", "activation": None})
        if r.name.endswith("up_proj")
        else r
        for r in bundle.manifest.quantization.layers
    ]
    quantization = bundle.manifest.quantization.model_copy(update={"layers": layers})
    manifest = bundle.manifest.model_copy(update={"quantization": quantization})
    save_bundle(tmp_path / "fewer", manifest, bundle.tensors, bundle.tokenizer.json)
    with pytest.raises(BundleError, match="quantize it again"):
        load_policy(tmp_path / "fewer", "reference")


@pytest.mark.slow
def test_bench_measures_both_in_turn(path, report):
    record = bench(report.path, path, SAMPLES[:2], rounds=5)
    assert record["integer_layers"] == 20
    assert {len(v) for v in record["samples_ms"].values()} == {5}
    ratio = record["latency_ms"]["float"]["p50"] / record["latency_ms"]["int8"]["p50"]
    assert record["speedup"] == pytest.approx(ratio)
    held = record["weight_bytes"]
    assert held["quantized_part_int8"] < 0.4 * held["quantized_part_float"]
