# SPDX-License-Identifier: Apache-2.0
import functools

import pytest
import torch
from support.graph_policies import FAMILIES, GraphNetwork, graph_policy, lowered, played

from quantvla_ros.backends.graphs import export
from quantvla_ros.backends.graphs.export import (
    example_inputs,
    export_graph,
    export_graphs,
    graph_hash,
    graphs_of,
)
from quantvla_ros.quantization.quantized_linear import quantized_layers


@functools.cache
def exported(family):
    """A float policy and its graphs as they stand, by name; exported once, which takes seconds."""
    policy = graph_policy(family)
    graphs = graphs_of(policy.bundle, policy.network)
    with torch.no_grad():
        examples = example_inputs(policy.bundle, graphs)
        return policy, {name: export_graph(*given) for name, given in examples.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_split_graphs_give_the_networks_numbers_to_the_last_bit(family):
    policy, programs = exported(family)
    graphs = graphs_of(policy.bundle, policy.network)
    modules = {name: program.module() for name, program in programs.items()}

    def named(name):
        graph = getattr(graphs, name)

        return lambda *values: graph.named(modules[name](*values))

    network = GraphNetwork(graphs, named("context"), named("step"))
    assert torch.equal(policy.chunks(network), policy.chunks())


def off(policy, graphs, programs):
    """How far chunks of the graphs are from the policy's, as a share of the largest action."""
    wanted = policy.chunks()
    return (policy.chunks(played(graphs, programs)) - wanted).abs().max() / wanted.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_lowered_graphs_compute_the_float_policy_in_the_kinds_of_their_parts(family, monkeypatch):
    """What the context hands to the step is of the step's kind."""
    policy, exact = exported(family)
    known = {getattr(graphs_of(policy.bundle, policy.network), n).inputs: exact[n] for n in exact}
    monkeypatch.setattr(export, "export_graph", lambda graph, inputs: known[graph.inputs])
    assert off(policy, *lowered(policy, torch.float32)) < 1e-5
    graphs = graphs_of(policy.bundle, policy.network)
    precision = dict.fromkeys(graphs.part_names, torch.bfloat16)
    precision[graphs.step.part] = torch.float16
    programs = export_graphs(policy.bundle, policy.network, precision)
    assert off(policy, graphs, programs) < 8 * 2e-2, "bfloat16 has three bits less than float16"
    kinds = {}
    for name, program in programs.items():
        places = [n for n in program.graph.nodes if n.op == "placeholder"]
        kinds[name] = {node.name: node.meta["val"].dtype for node in places}
        assert program.graph_signature.user_inputs == getattr(graphs, name).inputs
    context, step = (p.graph.output_node().args[0] for p in programs.values())
    assert {node.meta["val"].dtype for node in context} == {torch.float16}
    assert {kinds["step"][name] for name in graphs.context.outputs} == {torch.float16}
    assert kinds["step"]["x_t"] == step[0].meta["val"].dtype == torch.float32


@pytest.mark.parametrize("family", ["mini_pi05", "smolvla"])
def test_quantized_layers_are_put_back_and_a_graph_is_known_by_its_hash(family):
    policy = graph_policy(family)
    policy.quantize()
    layers = quantized_layers(policy.network)
    first, second = (lowered(policy, torch.float16)[1] for _ in range(2))
    assert quantized_layers(policy.network) == layers and len(layers) > 10
    hashes = {name: graph_hash(program) for name, program in first.items()}
    assert hashes == {name: graph_hash(program) for name, program in second.items()}
    some = next(
        node
        for node in second["step"].graph.nodes
        if str(node.target) == "quantvla.fake_int8.default"
    )
    some.args = (some.args[0], some.args[1] * 2)
    assert graph_hash(second["step"]) != hashes["step"]
