# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.clip_search import round_clipped
from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.gptq import compensation, damping_for, round_gptq
from quantvla_ros.quantization.rounding.nearest import round_nearest

COLUMNS = 48


def inputs(seed=0, rank=12, tokens=400):
    """Correlated inputs of unlike sizes: few directions, little of their own."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(rank, COLUMNS, generator=generator)
    x = torch.randn(tokens, rank, generator=generator) @ mixing
    x = x + 0.3 * torch.randn(tokens, COLUMNS, generator=generator)
    return x * torch.logspace(-1, 1, COLUMNS)[torch.randperm(COLUMNS, generator=generator)]


def weight_of(seed=0):
    return torch.randn(20, COLUMNS, generator=torch.Generator().manual_seed(1000 + seed))


def output_error(codes, weight, x):
    return float((x @ (dequantize(codes) - weight).T).norm())


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    bits=st.sampled_from([2, 3, 4, 8]),
    group=st.sampled_from([None, 16]),
)
def test_outputs_are_nearer_than_rounded_to_nearest_on_correlated_inputs(seed, bits, group):
    x, weight = inputs(seed), weight_of(seed)
    hessian = x.T @ x / len(x)
    codes = round_gptq(weight, bits, hessian, group)
    limit = 2 ** (bits - 1) - 1
    assert int(codes.values.abs().max()) <= limit
    clipped = round_clipped(weight, bits, group, hessian.diagonal())
    error = output_error(codes, weight, x)
    assert error < 0.7 * output_error(round_nearest(weight, bits, group), weight, x)
    assert error < 0.8 * output_error(clipped, weight, x)


def test_inputs_that_do_not_correlate_leave_nothing_to_make_up_for():
    weight = weight_of()
    diagonal = torch.logspace(-2, 2, COLUMNS)
    codes = round_gptq(weight, 4, torch.diag(diagonal))
    expected = round_clipped(weight, 4, None, diagonal)
    assert torch.equal(codes.values, expected.values)
    assert torch.equal(codes.scales, expected.scales)


def test_each_column_is_the_best_answer_to_those_before_it():
    """The definition, without any of its shortcuts: solve for the columns still to come."""
    x, weight = inputs(3).double(), weight_of(3).double()
    hessian = x.T @ x / len(x)
    codes = round_gptq(weight, 3, hessian)
    damped = hessian + 0.01 * hessian.diagonal().mean() * torch.eye(COLUMNS, dtype=torch.float64)
    order = hessian.diagonal().argsort(descending=True)
    target, scale = weight.clone(), codes.scales[:, 0].double()
    for place, column in enumerate(order):
        code = (target[:, column] / scale).round().clamp(-3, 3)
        assert (code != codes.values[:, column]).sum() <= 1  # float32 may decide a tie otherwise
        miss = codes.values[:, column] * scale - target[:, column]
        rest = order[place + 1 :]
        # The least of the quadratic form with this column's miss fixed.
        answer = torch.linalg.solve(damped[rest][:, rest], damped[rest, column])
        target[:, rest] -= miss[:, None] * answer
    assert len(order) == COLUMNS


def test_the_block_size_of_the_updates_does_not_matter(monkeypatch):
    x, weight = inputs(), weight_of()
    hessian = x.T @ x
    whole = round_gptq(weight, 4, hessian)
    monkeypatch.setattr("quantvla_ros.quantization.rounding.gptq.LAZY", 7)
    assert (round_gptq(weight, 4, hessian).values != whole.values).float().mean() < 0.01


def test_a_column_that_never_saw_an_input_is_rounded_to_nearest():
    x, weight = inputs(), weight_of()
    x[:, 5] = 0.0
    weight[:, 5] *= 0.1  # its own error does not count, so the clip may cut a large one
    codes = round_gptq(weight, 8, x.T @ x)
    off = (dequantize(codes) - weight)[:, 5].abs()
    assert bool((off <= 0.5001 * codes.scales[:, 0]).all())


@pytest.mark.parametrize("tokens", [0, 3])
def test_fewer_inputs_than_columns_are_damped(tokens):
    x, weight = inputs(tokens=400)[:tokens], weight_of()
    codes = round_gptq(weight, 4, x.T @ x)
    assert output_error(codes, weight, x) <= output_error(round_nearest(weight, 4), weight, x)


def test_bad_second_moments_are_refused():
    with pytest.raises(QuantVLAError, match="NaN or infinite"):
        compensation(torch.full((4, 4), torch.nan))
    with pytest.raises(QuantVLAError, match="more samples"):
        compensation(torch.tensor([[1.0, 5.0], [5.0, 1.0]]))


@pytest.mark.parametrize("tokens", [12, 30, 47])
@pytest.mark.parametrize("decay", [0.5, 2.0])
def test_with_fewer_tokens_than_columns_unseen_inputs_pay_little(tokens, decay):
    """Without more damping their outputs were up to twice as far as those of a search for clips."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(COLUMNS, COLUMNS, generator=generator))[0]
    mixing = torch.arange(1.0, COLUMNS + 1)[:, None] ** (-decay / 2) * mixing
    x, fresh = (torch.randn(n, COLUMNS, generator=generator) @ mixing for n in (tokens, 2000))
    weight, hessian = torch.randn(64, COLUMNS, generator=generator), x.T @ x / tokens
    made = compensation(hessian, damping_for(tokens, COLUMNS))
    clipped = output_error(round_clipped(weight, 4, None, hessian.diagonal()), weight, fresh)
    error = output_error(round_gptq(weight, 4, hessian, None, made), weight, fresh)
    assert error < (1.25 if decay < 1 else 0.6) * clipped
