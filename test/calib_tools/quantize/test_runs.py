# SPDX-License-Identifier: Apache-2.0
"""A network's halves run on the samples; how much of the first half's results is kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from calib_tools.quantize import rounding_stage
from calib_tools.quantize.rounding_stage import Runs
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
    monkeypatch.setattr(rounding_stage, "CONTEXT_BYTES", room)
    network, _ = subject
    runs = Runs(FAMILY, *subject)
    for _ in range(3):
        runs.steps()
    every = list(range(5))
    assert seen == 3 * every
    assert network.encoded == every + 2 * every[kept:]


def test_both_halves_are_run_anew_each_time(subject, seen):
    network, _ = subject
    runs = Runs(FAMILY, *subject)
    runs.both()
    runs.both()
    assert seen == network.encoded == 2 * list(range(5))
