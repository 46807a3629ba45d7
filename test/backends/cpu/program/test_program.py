# SPDX-License-Identifier: Apache-2.0
"""What a program of a small network is made of, and that it behaves as a runner."""

from __future__ import annotations

import pytest
import torch
from support.quantized_networks import quantize_nearest
from support.tiny_policy import network_inputs, noise, tiny_network
from torch import nn

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program.capture import capture
from quantvla_ros.backends.cpu.program.release import release
from quantvla_ros.backends.cpu.program.runner import ProgramRunner
from quantvla_ros.backends.cpu.program.steps import Level
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.mini_pi05.graphs import graphs as describe
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.schemes import Precision


class Strange(nn.Module):
    """A projection with an operator behind it that no instruction computes."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return torch.special.expit(torch.cumsum(self.linear(x), dim=-1))


def program_of(network):
    graphs = describe(network)
    with torch.no_grad():
        program = capture(network, graphs, network_inputs(), noise(), load_engine())
    return program, graphs


@pytest.fixture(scope="module")
def integer():
    network = tiny_network()
    names = select_layers(layer_roles(network), "llm+dit_mlp")
    quantize_nearest(network, names, Precision(8), native_activation_bits(Precision(8)))
    return network, *program_of(network)


def test_siblings_read_one_grid_that_their_norm_writes(integer):
    _, program, _ = integer
    ops = [step.op for step in program.tapes[Level.CHUNK]]
    # q, k and v of the first layer, then its output, gate with up, and down; k and v of the last.
    assert ops.count("integer_linear") == 5
    assert ops.count("quantize") == 2  # of the attention and inside the MLP
    grids = [step for step in program.tapes[Level.CHUNK] if "grid" in step.writes]
    assert [step.op for step in grids] == ["norm", "quantize", "norm", "quantize", "norm"]


def test_a_released_network_keeps_what_flow_times_need_and_runs_on(integer):
    network, program, graphs = integer
    with torch.no_grad():
        wanted = network.velocity(noise(), 0.5, network.encode(network_inputs()))
    runner = ProgramRunner(program, network, graphs, 1)
    whole = runner.weight_bytes()
    release(network, graphs, network_inputs())
    assert runner.weight_bytes() < whole
    name = "language_model.layers.0.mlp.down_proj"
    assert network.get_submodule(name).weight.is_meta
    assert not network.time_mlp_in.weight.is_meta
    assert 0 < runner.layer_bytes([name]) < 64 * 32 * 4
    assert runner.layer_bytes(["time_mlp_in"]) == 33 * 32 * 4
    with torch.no_grad():
        got = runner.velocity(noise(), 0.5, runner.encode(network_inputs()))
        again = runner.velocity(noise(), 0.9, runner.encode(network_inputs()))
        assert torch.equal(got, runner.velocity(noise(), 0.5, runner.encode(network_inputs())))
    assert (got - wanted).abs().max() < 5e-2 * wanted.abs().max()
    assert not torch.equal(got, again)


def test_a_context_that_was_overwritten_is_refused(integer):
    network, program, graphs = integer
    runner = ProgramRunner(program, network, graphs, 1)
    with torch.no_grad():
        first = runner.encode(network_inputs())
        runner.encode(network_inputs(1))
        with pytest.raises(RuntimeError, match="overwritten"):
            runner.velocity(noise(), 1.0, first)


def test_an_operator_without_an_instruction_is_carried_out_by_pytorch():
    network = tiny_network()
    network.state_in_proj = Strange(network.state_in_proj)
    program, graphs = program_of(network)
    runner = ProgramRunner(program, network, graphs, 1)
    assert len(runner.code[Level.CHUNK].by_torch) in (1, 2)
    assert not runner.code[Level.STEP].by_torch
    with torch.no_grad():
        wanted = network.velocity(noise(), 0.5, network.encode(network_inputs()))
        got = runner.velocity(noise(), 0.5, runner.encode(network_inputs()))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
