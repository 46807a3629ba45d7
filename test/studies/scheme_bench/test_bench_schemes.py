# SPDX-License-Identifier: Apache-2.0
"""The record of a comparison; what it measures is faked, because compiling takes a minute."""

import pytest
from support.quantized_networks import quantize_nearest
from support.tiny_policy import WORDS, observations, save_tiny_bundle, tiny_manifest, tiny_network

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.schema import LayerRecord, Quantization
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.models.joint.roles import layer_roles, unused_layers
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.schemes import precision
from studies.scheme_bench import bench as module


def save_quantized(path, scheme):
    network, form = tiny_network(), precision(scheme)
    roles = layer_roles(network)
    names = select_layers(roles, "llm")
    shapes = {name: tuple(network.get_submodule(name).weight.shape) for name in roles}
    quantize_nearest(network, names, form, native_activation_bits(form))
    records = [
        LayerRecord(
            name=name,
            role=role,
            precision=f"int{form.weight_bits}" if name in names else "float",
            rows=shapes[name][0],
            cols=shapes[name][1],
            activation=form.activation if name in names else None,
        )
        for name, role in roles.items()
    ]
    quantization = Quantization(
        scheme=scheme,
        layout="llm",
        activation_bits=native_activation_bits(form),
        layers=records,
        alpha={},
        beta={},
        corrections_kept=[],
        calibration_sha256="",
    )
    manifest = tiny_manifest().model_copy(update={"quantization": quantization})
    return save_bundle(path, manifest, network.state_dict(), build_word_tokenizer(WORDS))


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "load_policy", lambda path, threads: load_policy(path, "cpu", threads)
    )
    others = {}

    def other_floats(path, backend, threads):
        others["float_other"] = load_policy(path, "reference", threads)
        return others, {"missing": "not installed"}

    monkeypatch.setattr(module, "other_floats", other_floats)
    float_path = save_tiny_bundle(tmp_path / "float")
    quantized = {s: save_quantized(tmp_path / s, s) for s in ("w8a8", "w4a8", "w4a16")}
    return module.bench_schemes(quantized, float_path, observations(2), rounds=3)


def test_every_policy_is_timed_and_compared_with_the_control(record):
    policies = record["policies"]
    assert list(policies) == ["float", "float_other", "w8a8", "w4a8", "w4a16"]
    floats = [policies[name] for name in ("float", "float_other")]
    median = min(entry["latency_ms"]["p50"] for entry in floats)
    for entry in policies.values():
        assert len(entry["samples_ms"]) == 3
        assert entry["speedup"] == pytest.approx(median / entry["latency_ms"]["p50"])
    assert policies[record["fastest_float"]]["speedup"] == 1.0
    assert record["not_measured"] == {"missing": "not installed"}
    assert policies["float"]["scheme"] is None
    assert policies["w4a8"]["integer_layers"] == 14


def test_bytes_are_those_of_the_loaded_backends(record):
    held = {name: entry["weight_bytes"] for name, entry in record["policies"].items()}
    network = tiny_network()
    names = set(select_layers(layer_roles(network), "llm")) - unused_layers(network.sizes)
    weights = sum(network.get_submodule(name).weight.numel() for name in names)
    assert held["w8a8"]["quantized_part_fp32"] == 4 * weights
    assert held["w4a8"]["quantized_part_fp16"] == 2 * weights
    # Scales, and channels that the kernels fill up: much in layers of 32.
    assert weights / 2 < held["w4a8"]["quantized_part"] < 0.75 * weights
    assert held["w4a16"]["quantized_part"] <= held["w4a8"]["quantized_part"]
