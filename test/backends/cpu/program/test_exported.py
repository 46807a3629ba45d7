# SPDX-License-Identifier: Apache-2.0
"""Exported graphs are kept between loads: a warm start exports nothing and computes the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from support.graph_policies import graph_policy
from support.tiny_policy import save_tiny_bundle

from quantvla_ros.backends.cpu.engine.library import load_engine
from quantvla_ros.backends.cpu.program import exported
from quantvla_ros.backends.cpu.program.capture import capture
from quantvla_ros.backends.cpu.program.release import release
from quantvla_ros.backends.cpu.program.runner import ProgramRunner
from quantvla_ros.backends.graphs.export import graphs_of
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import QuantVLAError

WARM = """
import sys
from quantvla_ros.backends.policy import load_policy
for bundle in sys.argv[1:]:
    load_policy(bundle, "cpu")
print([name for name in ("torch._dynamo", "torch.export._trace", "sympy") if name in sys.modules])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where graphs are kept."""
    monkeypatch.setattr(exported, "cache_directory", lambda part: tmp_path)
    return tmp_path


@pytest.fixture
def exports(monkeypatch):
    """A graph for each that was exported."""
    calls, real = [], exported.export_graph

    def counted(graph, inputs):
        calls.append(graph)
        return real(graph, inputs)

    monkeypatch.setattr(exported, "export_graph", counted)
    return calls


def chunks(policy):
    """What a policy computes on the backend; its network is given up."""
    graphs = graphs_of(policy.bundle, policy.network)
    with torch.inference_mode():
        program = capture(policy.network, graphs, policy.inputs[0], policy.noise(), load_engine())
        release(policy.network, graphs, policy.inputs[0])
        return policy.chunks(ProgramRunner(program, policy.network, graphs, 1))


def tiny(layout=None):
    policy = graph_policy("mini_pi05")
    if layout:
        policy.quantize(layout)
    return policy


@pytest.mark.parametrize("family", ["mini_pi05", "groot_n17", "act_policy"])
def test_a_second_load_exports_nothing_and_computes_the_same_to_the_last_bit(
    family, folder, exports
):
    cold, warm = graph_policy(family), graph_policy(family)
    for policy in (cold, warm):
        policy.quantize()
    wanted = chunks(cold)
    assert len(exports) == 2
    assert torch.equal(chunks(warm), wanted)
    assert len(exports) == 2


def test_other_weights_take_the_same_graph_and_other_layers_or_settings_their_own(
    folder, exports, monkeypatch
):
    first = chunks(tiny())
    changed = [tiny(), tiny()]
    for policy in changed:
        policy.network.state_in_proj.weight.data.mul_(2.0)
    warm = chunks(changed[0])
    assert len(exports) == 2 and not torch.equal(warm, first)
    integer = chunks(tiny("llm+dit"))
    assert len(exports) == 4 and not torch.equal(integer, first)
    eps = tiny()
    eps.network.vision_tower.post_layernorm.eps = 0.5
    assert not torch.equal(chunks(eps), first) and len(exports) == 6
    monkeypatch.setattr(exported, "KEPT", 1)
    for file in folder.iterdir():
        file.unlink()
    assert torch.equal(chunks(changed[1]), warm) and len(exports) == 8
    assert len(list(folder.iterdir())) == 1  # the oldest are let go


def test_a_file_that_was_cut_or_is_anothers_is_made_anew(folder, exports):
    wanted = chunks(tiny())
    first, second = sorted(folder.iterdir())
    whole = first.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"something else", second.read_bytes()):
        first.write_bytes(damaged)
        exports.clear()
        assert torch.equal(chunks(tiny()), wanted)
        assert len(exports) == 1 and first.read_bytes() == whole


def test_nothing_is_kept_without_a_place_or_of_what_cannot_be_told(tmp_path, exports, monkeypatch):
    def refused(part):
        raise QuantVLAError("there is no folder")

    monkeypatch.setattr(exported, "cache_directory", refused)
    wanted = chunks(tiny())
    monkeypatch.setattr(exported, "cache_directory", lambda part: tmp_path)
    hooked = tiny()
    hooked.network.state_in_proj.register_forward_hook(lambda module, given, out: out * 1.0)
    assert torch.equal(chunks(hooked), wanted)
    table = tiny()
    table.network.state_in_proj.table = torch.rand(2000)  # neither parameter nor buffer
    assert torch.equal(chunks(table), wanted)
    assert len(exports) == 6 and not list(tmp_path.iterdir())


def test_a_warm_start_does_not_import_the_compiler_of_pytorch(tmp_path, monkeypatch):
    others = [graph_policy(family).bundle.path for family in ("groot_n17", "act_policy")]
    bundles, home = [save_tiny_bundle(tmp_path / "bundle"), *others], tmp_path / "cache"
    engine = cache_directory("engine", executable=True)
    (home / "quantvla_ros").mkdir(parents=True)
    (home / "quantvla_ros" / "engine").symlink_to(engine)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    for bundle in bundles:
        load_policy(bundle, "cpu")
    command = [sys.executable, "-c", WARM, *map(str, bundles)]
    said = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "[]", said.stderr
