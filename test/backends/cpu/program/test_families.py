# SPDX-License-Identifier: Apache-2.0
"""The program of each family computes what its network computes."""

from __future__ import annotations

import pytest
import torch
from support.graph_policies import FAMILIES, graph_policy

from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program.capture import capture
from quantvla_ros.backends.cpu.program.runner import ProgramRunner
from quantvla_ros.backends.graphs.export import graphs_of

BY_TORCH = {"act_policy": ["max_pool2d"]}
"""Operators that the engine has no instruction for; once a chunk, in a picture's first layers."""


@pytest.fixture(params=[False, True], ids=["float", "integer"])
def integers(request):
    return request.param


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_and_neither_shared_memory_nor_threads_change_a_bit(family, integers):
    policy = graph_policy(family)
    if integers:
        policy.quantize()
    graphs = graphs_of(policy.bundle, policy.network)
    with torch.inference_mode():
        program = capture(policy.network, graphs, policy.inputs[0], policy.noise(), load_engine())
        runner, twice, apart = (
            ProgramRunner(program, policy.network, graphs, threads, reuse)
            for threads, reuse in ((1, True), (2, True), (1, False))
        )
        by_torch = [name for code in runner.code.values() for name in code.by_torch]
        assert by_torch == BY_TORCH.get(family, [])
        wanted, got = policy.chunks(), policy.chunks(runner)
        assert torch.equal(policy.chunks(twice), got) and torch.equal(policy.chunks(apart), got)
    # Float rounding may move a value across a step of an integer grid.
    bound = 5e-2 if integers else 2e-5
    assert (got - wanted).abs().max() <= bound * wanted.abs().max()
