# SPDX-License-Identifier: Apache-2.0
"""A network's halves run on the samples; how much of the first half's results is kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from calib_tools.quantize import rounding_stage
from calib_tools.quantize.rounding_stage import Runs
from quantvla_ros.models.mini_pi05.network import Prefix

BYTES = 2 * 40 + 3  # of one prefix below


class Network:
    """Counts what it encodes; its prefixes are of `BYTES` bytes."""

    def __init__(self):
        self.encoded = []

    def encode(self, number):
        assert not torch.is_grad_enabled()
        self.encoded.append(number)
        values = [torch.full((10,), float(number))]
        return Prefix(values, [values[0].clone()], torch.ones(3, dtype=torch.bool))


@pytest.fixture
def seen():
    """Numbers of the samples that reached the second half."""
    return []


@pytest.fixture
def subject(seen):
    """A network, and a teacher with five samples."""
    network = Network()

    def replay(_, prefixes):
        for prefix in prefixes:
            assert torch.is_grad_enabled()
            seen.append(int(prefix.keys[0][0]))

    fit = [SimpleNamespace(inputs=(number,)) for number in range(5)]
    return network, SimpleNamespace(fit=fit, path=SimpleNamespace(replay=replay))


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (2 * BYTES, 2), (3 * BYTES - 1, 2), (1e9, 5)])
def test_as_many_prefixes_are_kept_as_fit(monkeypatch, subject, seen, room, kept):
    monkeypatch.setattr(rounding_stage, "PREFIX_BYTES", room)
    network, _ = subject
    runs = Runs(*subject)
    for _ in range(3):
        runs.denoise()
    every = list(range(5))
    assert seen == 3 * every
    assert network.encoded == every + 2 * every[kept:]


def test_both_halves_are_run_anew_each_time(subject, seen):
    network, _ = subject
    runs = Runs(*subject)
    runs.both()
    runs.both()
    assert seen == network.encoded == 2 * list(range(5))
