# SPDX-License-Identifier: Apache-2.0
"""A network's halves run on the samples; how much of the first half's results is kept."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from calib_tools.quantize import sample_runner
from calib_tools.quantize.sample_runner import SampleRunner
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.mini_pi05.family import FAMILY

BYTES = 2 * 40 + 3  # of one context below


class Network:
    """Counts what it encodes; its contexts are of `BYTES` bytes."""

    def __init__(self):
        self.encoded = []

    def encode(self, inputs):
        (number,) = inputs.values()
        assert not torch.is_grad_enabled()
        self.encoded.append(number)
        values = [torch.full((10,), float(number))]
        return {"keys": values, "rest": (values[0].clone(), torch.ones(3, dtype=torch.bool))}


@pytest.fixture
def seen():
    """Numbers of the samples that reached the second half."""
    return []


@pytest.fixture
def subject(seen):
    """A network, and a teacher with five samples."""
    network = Network()

    def replay(_, contexts):
        for context in contexts:
            assert torch.is_grad_enabled()
            seen.append(int(context["keys"][0][0]))

    fit = [SimpleNamespace(inputs={"number": number}) for number in range(5)]
    return network, SimpleNamespace(fit=fit, path=SimpleNamespace(replay=replay))


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (2 * BYTES, 2), (3 * BYTES - 1, 2), (1e9, 5)])
def test_as_many_contexts_are_kept_as_fit(monkeypatch, subject, seen, room, kept):
    monkeypatch.setattr(sample_runner, "CONTEXT_BYTES", room)
    network, _ = subject
    runs = SampleRunner(FAMILY, *subject)
    for _ in range(3):
        runs.steps()
    every = list(range(5))
    assert seen == 3 * every
    assert network.encoded == every + 2 * every[kept:]


def test_both_halves_are_run_anew_each_time(subject, seen):
    network, _ = subject
    runs = SampleRunner(FAMILY, *subject)
    runs.both()
    runs.both()
    assert seen == network.encoded == 2 * list(range(5))


class Skipping(torch.nn.Module):
    """Calls one of its two linears."""

    def __init__(self):
        super().__init__()
        self.called, self.skipped = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

    def encode(self, inputs):
        return self.called(inputs["x"])

    def velocity(self, x_t, time, context):
        return context


def skipping_runner(*unused):
    family = replace(FAMILY, stage=lambda name: "encode", unused=lambda network: frozenset(unused))
    fit = [SimpleNamespace(inputs={"x": torch.randn(3, 2)}) for _ in range(2)]
    path = SimpleNamespace(replay=lambda network, contexts: list(contexts))
    return SampleRunner(family, Skipping(), SimpleNamespace(fit=fit, path=path))


@pytest.mark.parametrize("how", ["observe", "observe_stage"])
def test_a_layer_that_no_sample_reaches_is_an_error_that_names_it(how):
    """It was rounded blindly, and its static range was 1.0 whatever it is given."""
    with pytest.raises(QuantVLAError, match=r"reaches layer 'skipped'.*--keep-float skipped"):
        getattr(skipping_runner(), how)(["called", "skipped"], False, False)


def test_a_layer_that_the_family_lists_as_unused_needs_no_sample():
    runner = skipping_runner("skipped")
    assert set(runner.observe(["called", "skipped"], False, False)) == {"called"}
