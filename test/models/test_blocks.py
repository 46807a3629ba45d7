# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from quantvla_ros.models.blocks import (
    AdaptiveRMSNorm,
    Attention,
    RMSNorm,
    ScaledDotProduct,
    rotary_table,
    rotate,
    time_embedding,
)


def test_rms_norm_has_a_gain_of_one_plus_weight():
    norm = RMSNorm(4)
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    torch.testing.assert_close(norm(x), x / math.sqrt(25 / 4), atol=1e-5, rtol=0)
    with torch.no_grad():
        norm.weight.fill_(1.0)
    torch.testing.assert_close(norm(x), 2 * x / math.sqrt(25 / 4), atol=1e-5, rtol=0)


def test_adaptive_norm_is_modulated_by_scale_shift_and_gate():
    norm = AdaptiveRMSNorm(2, 1)
    modulation = torch.tensor([[1.0, 1.0, 0.5, 0.5, 3.0, 4.0]])
    y, gate = norm(torch.tensor([[[1.0, -1.0]]]), modulation)
    torch.testing.assert_close(y, torch.tensor([[[2.5, -1.5]]]), atol=1e-5, rtol=0)
    assert gate.flatten().tolist() == [3.0, 4.0]


def test_rotation_keeps_length_and_makes_products_depend_on_distance_only():
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(i, j):
        tables = [rotary_table(torch.tensor([[p]]), 8, 100.0) for p in (i, j)]
        return float((rotate(query, tables[0]) * rotate(key, tables[1])).sum())

    assert math.isclose(product(3, 1), product(9, 7), rel_tol=1e-5)
    assert not math.isclose(product(3, 1), product(3, 2), rel_tol=1e-3)
    rotated = rotate(query, rotary_table(torch.tensor([[5]]), 8, 100.0))
    torch.testing.assert_close(rotated.norm(), query.norm())


def test_grouped_heads_share_keys_in_order():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, n, 3, 4) for n in (4, 2, 2))
    out = ScaledDotProduct()(query, key, value, None).view(1, 3, 4, 4)
    for head in range(4):
        logits = query[0, head] @ key[0, head // 2].T / 2.0
        expected = logits.softmax(-1) @ value[0, head // 2]
        torch.testing.assert_close(out[0, :, head], expected, atol=1e-5, rtol=1e-4)


def test_masked_keys_have_no_influence():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 1, 3, 4) for _ in range(3))
    mask = torch.tensor([0.0, 0.0, -1e9])[None, None, None]
    out = ScaledDotProduct()(query, key, value, mask)
    key[:, :, 2], value[:, :, 2] = 50.0, 50.0
    torch.testing.assert_close(ScaledDotProduct()(query, key, value, mask), out)


def test_time_embedding_spans_the_periods():
    t = torch.tensor([0.3])
    out = time_embedding(t, 6, 4e-3, 4.0)[0]
    periods = [4e-3, math.sqrt(4e-3 * 4.0), 4.0]
    expected = [math.sin(2 * math.pi * 0.3 / p) for p in periods]
    expected += [math.cos(2 * math.pi * 0.3 / p) for p in periods]
    torch.testing.assert_close(out, torch.tensor(expected), atol=2e-4, rtol=0)


@pytest.mark.parametrize("kind", ["shared", "per_head"])
def test_queries_and_keys_are_normed_by_head_before_they_are_rotated(kind):
    torch.manual_seed(0)
    attention = Attention(12, 4, 2, 8, qk_norm=kind).requires_grad_(False)
    gains = {}
    for norm, heads in ((attention.q_norm, 4), (attention.k_norm, 2)):
        assert norm.weight.shape == ((8,) if kind == "shared" else (heads, 8))
        gains[heads] = norm.weight.copy_(torch.rand_like(norm.weight)).expand(heads, 8)
    x, table = torch.randn(1, 3, 12), rotary_table(torch.tensor([[4, 5, 6]]), 8, 100.0)
    key, value = attention.key_value(x, table)
    for got, projection, heads in (
        (attention.query(x, table), attention.q_proj, 4),
        (key, attention.k_proj, 2),
    ):
        each = projection(x).view(1, 3, heads, 8)
        normed = each / each.square().mean(dim=-1, keepdim=True).sqrt() * gains[heads]
        torch.testing.assert_close(got, rotate(normed.transpose(1, 2), table), atol=1e-4, rtol=0)
    torch.testing.assert_close(value, attention.v_proj(x).view(1, 3, 2, 8).transpose(1, 2))


def test_without_the_option_an_attention_has_no_norm():
    assert {n.partition(".")[0] for n in Attention(12, 4, 2, 8).state_dict()} == {
        f"{part}_proj" for part in "qkvo"
    }
