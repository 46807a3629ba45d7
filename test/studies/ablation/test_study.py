# SPDX-License-Identifier: Apache-2.0
"""Fake quantization of a tiny policy: made, written down, and played again."""

from __future__ import annotations

import functools

import pytest
import torch
from support.tiny_policy import FLOW, network_inputs, noise, observations, save_tiny_bundle

from calib_tools.evaluate import variants as variants_module
from calib_tools.evaluate.variants import load_variant, parse_variants
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.models.flow import normalized_chunk
from studies.ablation.catalogue import BOTH, Study
from studies.ablation.study import KERNEL, make_study
from studies.fake_quantization.changes import read_change
from studies.fake_quantization.file import StudyLinear, save_study

SAMPLES = observations(24)
ATTENTION = "action_expert.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


@functools.cache
def studied(path, *arguments, **more):
    """A made study; not to be changed, for several tests look at one."""
    study = Study(*arguments, **more)
    return make_study(path, SAMPLES[:14], SAMPLES[14:], study, lambda text, share: None)


def chunk(network):
    with torch.no_grad():
        return normalized_chunk(network, noise(), network.encode(network_inputs()), FLOW)


STUDIES = [
    {"weight_bits": 3, "activation_bits": 8, "rounding": "gptq", "corrections": BOTH},
    {"weight_bits": 4, "activation_bits": 4, "transforms": ("smoothquant", "hadamard")},
    {"weight_bits": 4, "activation_bits": 8, "transforms": ("duquant",), "layout": "all"},
    {"weight_bits": 2, "activation_bits": 8, "layout": "all", "corrections": BOTH},
]


@pytest.mark.parametrize("study", STUDIES, ids=str)
def test_what_was_judged_is_what_is_played(path, tmp_path, monkeypatch, study):
    monkeypatch.setattr(variants_module, "check_fits_robot", lambda manifest, path: None)
    made = studied(path, **study)
    file = tmp_path / "odd.safetensors"
    save_study(file, made.network, path, bundle_hash(path))
    assert [p.name for p in tmp_path.iterdir()] == ["odd.safetensors"]
    (variant,) = parse_variants([f"{path}@{file}"], read_change)
    assert variant.label == "float@odd"
    policy = load_variant(variant, None)
    torch.testing.assert_close(chunk(policy.runner), chunk(made.network), rtol=1e-4, atol=1e-4)
    assert made.gate.kernel == KERNEL and made.gate.worst.chunk_mae > 0
    fake = [n for n, m in policy.network.named_modules() if isinstance(m, StudyLinear)]
    assert len(fake) == made.layers
    assert (ATTENTION in fake) == (study.get("layout") == "all")


def test_fewer_bits_are_worse_and_gptq_helps(path):
    errors = {
        (bits, activation): studied(path, bits, activation).gate.worst.chunk_mae
        for bits, activation in ((8, 8), (4, 8), (4, 4), (3, 8))
    }
    assert errors[8, 8] < errors[4, 8] < errors[4, 4]
    assert errors[4, 8] < errors[3, 8]


def test_a_study_is_refused_with_another_bundle_and_when_changed(path, tmp_path, monkeypatch):
    monkeypatch.setattr(variants_module, "check_fits_robot", lambda manifest, path: None)
    file = tmp_path / "odd.safetensors"
    save_study(file, studied(path, 4, 8).network, path, bundle_hash(path))
    other = save_tiny_bundle(tmp_path / "other", seed=1)
    with pytest.raises(QuantVLAError, match="made from another bundle"):
        parse_variants([f"{other}@{file}"], read_change)
    with pytest.raises(QuantVLAError, match="is no study"):
        parse_variants([f"{path}@{path / 'weights.safetensors'}"], read_change)
    with pytest.raises(QuantVLAError, match="is no study"):
        parse_variants([f"{path}@{tmp_path / 'nothing.safetensors'}"], read_change)
    (variant,) = parse_variants([f"{path}@{file}"], read_change)
    save_study(file, studied(path, 3, 8).network, path, bundle_hash(path))
    with pytest.raises(BundleError, match="was changed since the evaluation began"):
        load_variant(variant, None)
