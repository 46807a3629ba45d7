# SPDX-License-Identifier: Apache-2.0
"""Policies with QK-norm from a float bundle to a quantized one that is loaded again."""

from __future__ import annotations

import copy
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.network_runs import schedule, tree
from support.normed_policy import save_normed_bundle
from support.tiny_policy import CONFIG, observations

from calib_tools.quantize import quantization_run, quantizing
from calib_tools.quantize.layer_records import round_to_disk
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.policy import load_policy, policy_of
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.joint.sites import attentions
from quantvla_ros.models.stored import widen
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.quantization.fit import fit_corrections
from quantvla_ros.quantization.folding import fold_temperature

SAMPLES = observations(24)
WRONG = {
    "shared": torch.full((CONFIG.heads,), 0.8),
    "per_head": torch.tensor([0.8, 1.2, 1.15, 0.85]),
}
"""Temperatures that the quantized network is disturbed by; the fit finds their inverse."""


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """Quantizes once what tests ask for, in whatever order they do."""
    return cache(partial(quantize, tmp_path_factory))


@pytest.fixture(params=[("shared", "llm+dit_mlp"), ("per_head", "llm+dit")])
def made(request, quantized):
    """Either kind of norm; Wq, which its temperature leaves alone, is float and integer."""
    return quantized(*request.param)


def quantize(tmp_path_factory, kind, layout):
    """A quantized bundle, and its network before and after the corrections were folded."""
    networks = []

    def fit_disturbed(record, student, *rest):
        for attention in attentions(student).values():
            fold_temperature(attention, WRONG[kind])
        networks.append(copy.deepcopy(student))
        found = fit_corrections(record, student, *rest)
        networks.append(copy.deepcopy(student))
        return found

    folder = tmp_path_factory.mktemp(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization_run, "fit_corrections", fit_disturbed)
        report = quantizing.quantize_bundle(
            save_normed_bundle(folder / "float", kind),
            Samples(SAMPLES[:14], SAMPLES[14:], "0" * 64),
            Recipe(layout=layout),
            folder / "int8",
            force=False,
            ray=None,
            progress=lambda text, done: None,
        )
    plain, corrected = networks
    return SimpleNamespace(kind=kind, path=report.path, plain=plain, corrected=corrected)


def policies(made, backend):
    """The bundle loaded again, and policies around the networks that were quantized."""
    loaded, bundle = load_policy(made.path, backend), load_bundle(made.path)
    plain, corrected = copy.deepcopy(made.plain), copy.deepcopy(made.corrected)
    round_to_disk(corrected)
    return loaded, policy_of(bundle, plain, backend), policy_of(bundle, corrected, backend)


def test_temperatures_are_in_the_gain_that_is_loaded(made):
    bundle = load_bundle(made.path)
    assert bundle.manifest.architecture["qk_norm"] == made.kind
    for name, attention in attentions(made.plain).items():
        alpha = torch.tensor(bundle.manifest.quantization.alpha[name])
        assert bool((alpha != 1.0).any())
        # Layers behind the first see what those before them lost.
        near = alpha[alpha != 1.0] * WRONG[made.kind][alpha != 1.0]
        torch.testing.assert_close(near, torch.ones_like(near), atol=0.1, rtol=0)
        before = attention.q_norm.weight
        expected = before * (alpha[:, None] if made.kind == "per_head" else alpha[0])
        gain = bundle.tensors[f"action_expert.{name}.q_norm.weight"]
        assert gain.shape == before.shape
        assert torch.equal(gain, expected.half().float())


def test_nothing_else_takes_a_temperature(made):
    tensors, before = load_bundle(made.path).tensors, copy.deepcopy(made.plain)
    round_to_disk(before)
    changed = {n for n, v in before.state_dict().items() if not torch.equal(v, tensors[n])}
    layers = [f"action_expert.layers.{i}.self_attn" for i in range(CONFIG.layers)]
    balanced = {f"{layer}.o_proj.{part}" for layer in layers for part in ("weight", "scale")}
    assert changed - balanced == {f"{layer}.q_norm.weight" for layer in layers}


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_the_loaded_bundle_gives_the_quantized_networks_chunk(made, backend):
    loaded, plain, corrected = policies(made, backend)
    noise = draw_noise(loaded.manifest, 0, 0)
    got = loaded.infer(SAMPLES[0], noise).actions
    np.testing.assert_array_equal(got, corrected.infer(SAMPLES[0], noise).actions)
    assert np.abs(got - plain.infer(SAMPLES[0], noise).actions).max() > 1e-5


def test_modules_and_operations_are_those_of_the_plain_quantized_network(made):
    loaded, plain, _ = policies(made, "reference")
    widen(loaded.network)  # the file's float layers have 16 bits
    assert tree(loaded.network) == tree(plain.network)
    operations = schedule(plain.network)
    assert len(operations) > 200
    assert schedule(loaded.network) == operations
