# SPDX-License-Identifier: Apache-2.0
"""What is fitted is fitted on every calibration sample and on every denoise step of it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from support.tiny_policy import CONFIG, FLOW, HORIZON, SIZE, STEPS, observations, save_tiny_bundle

from calib_tools.quantize.quantization_run import LAYERS_FILE, Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.teaching import VALIDATE_EVERY, record_teacher_run
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import unused_layers
from quantvla_ros.models.joint.sites import attentions

SAMPLES = observations(24)
CALIBRATION, HELD_OUT = SAMPLES[:14], SAMPLES[14:]
FITTED = len(CALIBRATION) - len(CALIBRATION[::VALIDATE_EVERY])
WORDS = 8  # tokens that an instruction is padded to
PREFIX = CONFIG.cameras * (SIZE // 16) ** 2 + 1 + WORDS  # images, state, instruction


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_tiny_bundle(tmp_path_factory.mktemp("bundles") / "float")


def layer_report(path, out, **recipe):
    """What `layers.json` holds when the bundle at `path` has been quantized."""
    made = quantize_bundle(
        path,
        Samples(CALIBRATION, HELD_OUT, "0" * 64),
        Recipe(target="reference", **recipe),  # it loads at once
        out,
        force=False,
        ray=None,
        progress=lambda text, done: None,
    )
    return json.loads((made.path / LAYERS_FILE).read_text())


@pytest.mark.parametrize(
    "recipe", [{}, {"rounding": "clip"}, {"sequential": True}, {"activations": "static"}], ids=str
)
def test_tokens_of_every_sample_and_every_denoise_step_are_seen(path, tmp_path, recipe):
    """Fails when an expert layer's inputs are those of one step, or of some samples only."""
    records = layer_report(path, tmp_path / "out", layout="llm+dit", **recipe)["layers"]
    assert len(records) == 2 * CONFIG.layers * 7
    seen = {record["name"]: record.get("tokens") for record in records}
    unused = unused_layers(CONFIG)  # inference never reaches them
    for name, tokens in seen.items():
        if name.startswith("action_expert."):
            assert tokens == FITTED * STEPS * HORIZON, name
        else:
            assert tokens == (None if name in unused else FITTED * PREFIX), name


def test_temperatures_are_fitted_on_the_logits_of_every_denoise_step(path, tmp_path):
    """The spread of the float policy's logits, gathered here while it makes its chunks."""
    corrections = layer_report(path, tmp_path / "out", rounding="clip")["corrections"]
    policy = load_policy(path, "reference")
    expert = attentions(policy.network)
    fitted = record_teacher_run(policy, CALIBRATION).fit
    logits = {name: [] for name in expert}

    def keeps(name):
        def keep(_, inputs, __):
            query, key, _value, mask = inputs
            full = query @ key.repeat_interleave(2, 1).transpose(-1, -2) / math.sqrt(8)
            real = mask[0, 0, 0] > -1
            logits[name].append(full[:, :, :, real].transpose(0, 1).flatten(1).double())

        return keep

    for name, attention in expert.items():
        attention.core.register_forward_hook(keeps(name))
    with torch.no_grad():
        for sample in fitted:
            context = policy.network.encode(sample.inputs)
            normalized_chunk(policy.network, sample.noise, context, FLOW)
    for name, steps in logits.items():
        assert len(steps) == FITTED * STEPS
        pooled, first = (
            torch.cat(s, 1).std(dim=1, correction=0).tolist() for s in (steps, steps[::STEPS])
        )
        found = corrections["logits"][name]["float"]
        assert found == pytest.approx(pooled, rel=1e-4)
        assert found != pytest.approx(first, rel=1e-3)  # else one step would do
