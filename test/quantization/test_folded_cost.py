# SPDX-License-Identifier: Apache-2.0
"""Corrections cost nothing: the folded network does what the plain quantized one does."""

from __future__ import annotations

import copy
import time

import pytest
import torch
from support.network_runs import chunk, schedule, tree
from support.normed_policy import normed_network
from support.quantized_networks import quantize_nearest
from support.tiny_policy import CONFIG, FLOW, STEPS, network_inputs, noise, tiny_network

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program.capture import capture
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import attentions
from quantvla_ros.models.mini_pi05.graphs import graphs
from quantvla_ros.quantization.fit import fit_corrections
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.teacher import Sample, record_teacher

KINDS = [None, "per_head", "shared"]
LAYOUTS = ["llm+dit_mlp", "llm+dit"]


def student_of(network, layout):
    student = copy.deepcopy(network)
    precision = Precision(8)
    names = select_layers(layer_roles(student), layout)
    quantize_nearest(student, names, precision, native_activation_bits(precision))
    return student


def instructions(network):
    """What the backend `cpu` makes of a network: its steps with all shapes."""
    with torch.no_grad():
        program = capture(network, graphs(network), network_inputs(), noise(), load_engine())
    return [
        (step.op, [tuple(t.shape) for t in (*step.reads.values(), *step.writes.values())])
        for tape in program.tapes.values()
        for step in tape
    ]


def folded(network, kind):
    out = copy.deepcopy(network)
    alpha = torch.full((4,), 1.2) if kind == "shared" else torch.tensor([1.2, 0.8, 1.0, 1.1])
    for attention in attentions(out).values():
        fold_temperature(attention, alpha)
        fold_balance(attention, 0.9)
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_modules_and_operations_are_those_of_the_plain_network(kind, layout):
    plain = student_of(normed_network(kind), layout)
    corrected = folded(plain, kind)
    assert float((chunk(corrected) - chunk(plain)).abs().max()) > 1e-3
    assert tree(corrected) == tree(plain)
    operations = schedule(plain)
    assert len(operations) > 200
    assert schedule(corrected) == operations
    sizes = {n: (tuple(t.shape), t.dtype) for n, t in plain.state_dict().items()}
    assert {n: (tuple(t.shape), t.dtype) for n, t in corrected.state_dict().items()} == sizes
    assert instructions(corrected) == instructions(plain)


def test_a_multiplication_at_run_time_would_be_seen():
    """The comparison above can fail."""
    plain = student_of(tiny_network(), "llm+dit_mlp")
    operations = schedule(plain)
    for attention in attentions(plain).values():
        attention.core.register_forward_pre_hook(lambda _, a: (a[0] * 1.1, *a[1:]))
    assert len(schedule(plain)) == len(operations) + CONFIG.layers * STEPS


def test_the_latency_is_that_of_the_plain_network():
    plain = student_of(tiny_network(), "llm+dit")
    corrected = folded(plain, None)
    ratios = []
    for _ in range(6):  # computing wavers; the shortest of many runs does so least
        shortest = {}
        for _ in range(25):
            for network in (plain, corrected):
                start = time.process_time()  # a busy machine adds nothing to it
                chunk(network)
                took = time.process_time() - start
                shortest[id(network)] = min(took, shortest.get(id(network), took))
        ratios.append(shortest[id(corrected)] / shortest[id(plain)])
        if 0.9 < ratios[-1] < 1.1:
            return
    pytest.fail(f"the corrected network takes {ratios} of the plain one's time")


@pytest.mark.parametrize("kind", ["per_head", "shared"])
def test_both_corrections_are_fitted_and_kept_where_queries_are_normed(kind):
    """The whole fit, on a student whose attention is wrong by known factors."""
    teacher = normed_network(kind)
    student = copy.deepcopy(teacher)
    for attention in attentions(student).values():
        fold_temperature(attention, torch.full((CONFIG.heads,), 0.8))
        fold_balance(attention, 1.15)

    def samples(first):
        return [Sample(network_inputs(first + i), noise(first + i)) for i in range(3)]

    record = record_teacher(teacher, attentions(teacher), samples(0), samples(10), FLOW)
    result = fit_corrections(record, student, attentions(student))
    assert result.error_corrected < 0.5 * result.error_plain
    name = "layers.0.self_attn"
    assert result.alpha[name] == pytest.approx([1.25] * CONFIG.heads, abs=2e-2)
    heads = [""] if kind == "shared" else [f":{head}" for head in range(CONFIG.heads)]
    assert [k for k in result.kept if k.startswith(f"alpha:{name}")] == [
        f"alpha:{name}{head}" for head in heads
    ]
    spread = result.logits[name]
    assert spread["plain"] == pytest.approx([0.8 * v for v in spread["float"]], rel=2e-2)
    assert spread["corrected"] == pytest.approx(spread["float"], rel=2e-2)
    assert torch.equal(
        student.action_expert.layers[0].self_attn.q_proj.weight,
        teacher.action_expert.layers[0].self_attn.q_proj.weight,
    )


@pytest.mark.parametrize("kinds", [(), ("alpha",), ("beta",)])
def test_only_what_is_asked_for_is_corrected(kinds):
    teacher = tiny_network()
    student = copy.deepcopy(teacher)
    for attention in attentions(student).values():
        fold_temperature(attention, torch.full((CONFIG.heads,), 0.8))
        fold_balance(attention, 1.15)
    samples = [Sample(network_inputs(i), noise(i)) for i in range(4)]
    result = fit_corrections(
        record_teacher(teacher, attentions(teacher), samples[:2], samples[2:], FLOW),
        student,
        attentions(student),
        kinds,
    )
    assert {name.split(":")[0] for name in result.kept} == set(kinds)
    ones = {name: [1.0] * CONFIG.heads for name in result.alpha}
    assert (result.alpha == ones) == ("alpha" not in kinds)
    assert (set(result.beta.values()) == {1.0}) == ("beta" not in kinds)
