# SPDX-License-Identifier: Apache-2.0
"""Layers that no sample reaches."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from calib_tools.quantize.sample_runner import SampleRunner
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.mini_pi05.family import FAMILY


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


def test_a_layer_that_no_sample_reaches_is_an_error_that_names_it():
    """It was rounded blindly, and its static range was 1.0 whatever it is given."""
    with pytest.raises(QuantVLAError, match=r"reaches layer 'skipped'.*--keep-float skipped"):
        skipping_runner().observe(["called", "skipped"], False)


def test_a_layer_that_the_family_lists_as_unused_needs_no_sample():
    runner = skipping_runner("skipped")
    assert set(runner.observe(["called", "skipped"], False)) == {"called"}
