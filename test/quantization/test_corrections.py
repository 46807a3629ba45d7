# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import torch
from support.quantized_networks import quantize_nearest
from support.tiny_policy import CONFIG, FLOW, network_inputs, noise, tiny_network

from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import attentions
from quantvla_ros.quantization.corrections import (
    match,
    observe_logits,
    observe_outputs,
)
from quantvla_ros.quantization.fit import fit_corrections
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.teacher import FlowPath, Sample, chunks, encode_all, record_teacher

ALPHA = torch.tensor([1.2, 0.8, 1.0, 1.1])
BETA = 0.9


def samples(count, first=0):
    return [Sample(network_inputs(first + i), noise(first + i)) for i in range(count)]


def student_of(network, layout):
    student = copy.deepcopy(network)
    quantize_nearest(student, select_layers(layer_roles(network), layout), Precision(8), 8)
    return student


def multiply_at_run_time(network):
    """Hooks that multiply logits by alpha and attention outputs by beta."""
    scale = ALPHA[None, :, None, None]
    for attention in attentions(network).values():
        attention.core.register_forward_pre_hook(lambda _, a: (a[0] * scale, *a[1:]))
        attention.o_proj.register_forward_hook(lambda _, __, out: out * BETA)


@pytest.mark.parametrize("layout", ["none", "llm+dit_mlp", "llm+dit"])
def test_folding_equals_multiplying_at_run_time(layout):
    """Wq and Wo are float in `llm+dit_mlp` and integer in `llm+dit`."""
    network = student_of(tiny_network(), layout)
    folded = copy.deepcopy(network)
    for attention in attentions(folded).values():
        fold_temperature(attention, ALPHA)
        fold_balance(attention, BETA)
    multiply_at_run_time(network)
    inputs, start = network_inputs(), noise()
    expected = normalized_chunk(network, start, network.encode(inputs), FLOW)
    got = normalized_chunk(folded, start, folded.encode(inputs), FLOW)
    # An integer layer quantizes its inputs again, so float rounding may flip a grid value.
    torch.testing.assert_close(got, expected, atol=2e-5 if layout == "none" else 5e-3, rtol=1e-4)
    names = [n for n, _ in network.named_modules()]
    assert names == [n for n, _ in folded.named_modules()]


def test_observed_logits_and_outputs_are_those_of_the_definition():
    network = tiny_network()
    contexts = encode_all(network, samples(2))
    path = FlowPath(network, samples(2), contexts, FLOW)
    name, attention = next(iter(attentions(network).items()))
    logits, outputs = [], []

    def keep(_, inputs, __):
        query, key, _value, mask = inputs
        full = query @ key.repeat_interleave(2, 1).transpose(-1, -2) / math.sqrt(8)
        logits.append(full[:, :, :, mask[0, 0, 0] > -1].transpose(0, 1).flatten(1))

    attention.core.register_forward_hook(keep)
    attention.o_proj.register_forward_hook(lambda _, __, out: outputs.append(out.flatten()))
    got_logits = observe_logits(attentions(network), lambda: path.replay(network, contexts))[name]
    expected = torch.cat(logits, 1).double().std(dim=1, correction=0)
    torch.testing.assert_close(got_logits, expected, atol=1e-6, rtol=1e-5)
    outputs.clear()
    observed = observe_outputs(attentions(network), lambda: path.replay(network, contexts))
    rms = torch.cat(outputs).double().square().mean().sqrt()
    torch.testing.assert_close(observed[name][0], rms, atol=1e-6, rtol=1e-5)


def test_match_has_a_neutral_band_and_a_clip():
    teacher = {"a": torch.tensor([1.02, 1.2, 5.0, 0.1])}
    student = {"a": torch.ones(4)}
    got = match(teacher, student)["a"]
    expected = torch.tensor([1.0, 1.2, math.exp(0.3), math.exp(-0.3)])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_a_disturbed_student_is_corrected_back():
    """Attention scaled wrongly by known factors: ATM and OHB must find their inverse."""
    teacher = tiny_network()
    student = copy.deepcopy(teacher)
    for attention in attentions(student).values():
        fold_temperature(attention, torch.full((CONFIG.heads,), 0.8))
        fold_balance(attention, 1.15)
    record = record_teacher(teacher, attentions(teacher), samples(3), samples(3, first=10), FLOW)
    result = fit_corrections(record, student, attentions(student))
    assert result.error_corrected < 0.3 * result.error_plain
    # The first layer sees undisturbed inputs, so its coefficients are the exact inverse.
    assert result.alpha["layers.0.self_attn"] == pytest.approx([1.25] * CONFIG.heads, abs=1e-3)
    assert result.beta["layers.0.self_attn"] == pytest.approx(1 / 1.15, abs=2e-2)
    heads = {f"alpha:layers.0.self_attn:{head}" for head in range(CONFIG.heads)}
    assert heads | {"beta:layers.0.self_attn"} <= set(result.kept)


@pytest.mark.parametrize("wrong", [0.8, 0.95])
@pytest.mark.parametrize(("helped", "harmed"), [(0, 1), (3, 0)])
def test_each_head_is_judged_alone(helped, harmed, wrong):
    """One head is wrong. Another is right, but the samples of the fit mislead about it.

    Both corrections together lower the error where the first is large, and raise it otherwise.
    """
    teacher = tiny_network()
    student = copy.deepcopy(teacher)
    name, first = next(iter(attentions(student).items()))
    temperatures = torch.ones(CONFIG.heads)
    temperatures[helped] = wrong
    fold_temperature(first, temperatures)
    query = first.q_proj.weight.clone()
    record = record_teacher(teacher, attentions(teacher), samples(3), samples(3, first=10), FLOW)
    record.logits[name][harmed] *= 1.25
    result = fit_corrections(record, student, attentions(student), ["alpha"])
    assert {f"alpha:{name}:{head}" for head in (helped, harmed)} == {
        c for c in result.fitted if c.startswith(f"alpha:{name}")
    }
    assert f"alpha:{name}:{helped}" in result.kept
    assert f"alpha:{name}:{harmed}" not in result.kept
    alpha = torch.ones(CONFIG.heads)
    alpha[helped] = 1.0 / wrong
    assert result.alpha[name] == pytest.approx(alpha.tolist(), abs=1e-3)
    assert result.alpha[name][harmed] == 1.0
    folded = torch.tensor(result.alpha[name]).repeat_interleave(CONFIG.head_width)
    assert torch.equal(first.q_proj.weight, query * folded[:, None])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_corrections_never_raise_the_error_and_agree_with_what_was_kept(bits, seed):
    teacher = tiny_network(seed)
    student = copy.deepcopy(teacher)
    quantize_nearest(student, select_layers(layer_roles(teacher), "llm+dit"), Precision(bits), 8)
    record = record_teacher(teacher, attentions(teacher), samples(2), samples(2, first=10), FLOW)
    result = fit_corrections(record, student, attentions(student))
    assert set(result.kept) <= set(result.fitted)
    assert (result.error_corrected < result.error_plain) == bool(result.kept)
    got = chunks(student, record.validate, encode_all(student, record.validate), FLOW)
    assert float((got - record.target).abs().mean()) == result.error_corrected
    changed = [f"beta:{n}" for n, beta in result.beta.items() if beta != 1.0]
    for name, alpha in result.alpha.items():
        changed += [f"alpha:{name}:{head}" for head, a in enumerate(alpha) if a != 1.0]
    assert sorted(changed) == sorted(result.kept)


def test_what_does_not_help_is_not_kept():
    teacher = tiny_network()
    student = copy.deepcopy(teacher)
    before = copy.deepcopy(student.state_dict())
    record = record_teacher(teacher, attentions(teacher), samples(2), samples(2, first=10), FLOW)
    result = fit_corrections(record, student, attentions(student))
    assert result.kept == []
    assert result.error_plain == result.error_corrected == 0.0
    assert all(torch.equal(before[k], v) for k, v in student.state_dict().items())
