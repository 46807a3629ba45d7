# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.blocks import AdaptiveLayerNorm, AdaptiveRMSNorm, GatedMLP, RMSNorm
from quantvla_ros.quantization.transforms.scaling import (
    divide_norm,
    divide_rows,
    multiply_columns,
    plain_linears,
)

WIDTH = 24
KINDS = {
    "plain": lambda: nn.RMSNorm(WIDTH, eps=1e-6),
    "one plus": lambda: RMSNorm(WIDTH),
    "layer": lambda: nn.LayerNorm(WIDTH),
    "layer without bias": lambda: nn.LayerNorm(WIDTH, bias=False),
    "adaptive": lambda: AdaptiveRMSNorm(WIDTH, 6),
    "adaptive layer": lambda: AdaptiveLayerNorm(WIDTH, 6, 1e-5),
    "shift first": lambda: AdaptiveLayerNorm(WIDTH, 6, 1e-6, parts=("shift", "scale")),
}


def random_norm(kind, seed, spread):
    torch.manual_seed(seed)
    norm = KINDS[kind]().requires_grad_(False)
    for parameter in norm.parameters():
        parameter.copy_(torch.randn_like(parameter) * spread)
    return norm


def extreme(seed, size, outlier):
    """Tokens of unlike size, some channels far above the others, and one token of zeros."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 12, WIDTH, generator=generator)
    x *= torch.logspace(-2, 2, 12)[None, :, None] * size
    x[..., ::5] *= outlier
    x[:, 0] = 0.0
    return x


def run(norm, x, condition):
    if isinstance(norm, AdaptiveRMSNorm):
        return norm(x, norm.dense(condition))
    if isinstance(norm, AdaptiveLayerNorm):
        return norm(x, norm.dense(condition)), None
    return norm(x), None


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    spread=st.sampled_from([0.2, 1.0, 30.0]),
    size=st.sampled_from([1e-3, 1.0, 1e4]),
    outlier=st.sampled_from([1.0, 1e3]),
)
def test_a_divided_norm_and_its_readers_compute_the_same(kind, seed, spread, size, outlier):
    norm, x = random_norm(kind, seed, spread), extreme(seed, size, outlier)
    reader, condition = nn.Linear(WIDTH, 10).requires_grad_(False), torch.randn(1, 6)
    scale = torch.logspace(-3, 0, WIDTH, dtype=torch.float64)[torch.randperm(WIDTH)]
    before, gate = run(norm, x, condition)
    expected = reader(before)
    divide_norm(norm, scale)
    multiply_columns(reader, scale)
    after, gate_after = run(norm, x, condition)
    assert float((reader(after) - expected).norm() / expected.norm()) < 1e-5
    assert float((after * scale - before).norm() / before.norm()) < 1e-5
    assert gate is None or torch.equal(gate, gate_after)


def test_a_gated_mlp_is_the_same_after_its_middle_is_divided():
    torch.manual_seed(0)
    mlp, x = GatedMLP(WIDTH, 40).requires_grad_(False), extreme(0, 1.0, 1e3)
    expected, middle = mlp(x), copy.deepcopy(mlp.up_proj)
    scale = torch.logspace(-3, 0, 40, dtype=torch.float64)
    divide_rows(mlp.up_proj, scale)
    multiply_columns(mlp.down_proj, scale)
    assert float((mlp(x) - expected).norm() / expected.norm()) < 1e-5
    torch.testing.assert_close(mlp.up_proj(x) * scale.float(), middle(x), rtol=1e-4, atol=1e-4)


def test_a_divided_linear_divides_its_bias_too():
    layer, x = nn.Linear(5, 3).requires_grad_(False), torch.randn(4, 5)
    expected = layer(x) / torch.tensor([1.0, 2.0, 0.1])
    divide_rows(layer, torch.tensor([1.0, 2.0, 0.1], dtype=torch.float64))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(WIDTH, elementwise_affine=False), nn.GroupNorm(1, WIDTH)]
)
def test_a_norm_without_a_foldable_gain_is_refused(norm):
    with pytest.raises(QuantVLAError, match=type(norm).__name__):
        divide_norm(norm, torch.ones(WIDTH, dtype=torch.float64))


def test_an_adaptive_norm_with_a_quantized_linear_is_refused():
    norm = AdaptiveRMSNorm(WIDTH, 6)
    norm.dense = nn.Identity()
    with pytest.raises(QuantVLAError, match="smooth first"):
        divide_norm(norm, torch.ones(WIDTH, dtype=torch.float64))


def test_a_reader_that_cannot_be_changed_along_is_refused():
    network = nn.ModuleDict({"q": nn.Linear(4, 4), "k": nn.Identity()})
    with pytest.raises(QuantVLAError, match="reaches k, which is already quantized or rotated"):
        plain_linears(network, ["q", "k"], "the norm")
