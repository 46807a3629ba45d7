# SPDX-License-Identifier: Apache-2.0
"""A network too large to be held in float32 is quantized on the 16-bit weights of its file."""

from __future__ import annotations

import pytest
import torch
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.quantization import layerwise

SAMPLES = Samples(observations(20)[:10], observations(20)[10:], "0" * 64)
RECIPES = {
    "plain": Recipe(target="reference", scheme="w4a8", layout="llm+dit_mlp"),
    "transformed": Recipe(
        target="reference", layout="llm+dit", transforms=("smoothquant", "hadamard")
    ),
    "sequential": Recipe(target="reference", scheme="w4a8", layout="llm+dit", sequential=True),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_its_integers_are_those_of_the_widened_network(tmp_path, monkeypatch, recipe):
    source = save_tiny_bundle(tmp_path / "float")

    def quantized(name):
        report = quantize_bundle(
            source, SAMPLES, recipe, tmp_path / name, False, None, lambda text, done: None
        )
        return load_bundle(report.path).tensors

    wide = quantized("wide")
    monkeypatch.setattr(layerwise, "WIDENED_BYTES", 0)
    stored = quantized("stored")
    assert stored.keys() == wide.keys()
    integers = [name for name, tensor in wide.items() if tensor.dtype in (torch.int8, torch.uint8)]
    assert len(integers) > 15
    for name, tensor in wide.items():
        torch.testing.assert_close(stored[name].float(), tensor.float(), rtol=1e-3, atol=1e-3)
    assert all(torch.equal(stored[name], wide[name]) for name in integers)
