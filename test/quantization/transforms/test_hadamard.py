# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.transforms.hadamard import (
    check_block,
    hadamard,
    hadamard_matrix,
)


@settings(max_examples=30, deadline=None)
@given(power=st.integers(0, 8), blocks=st.integers(1, 3), size=st.sampled_from([1e-6, 1.0, 1e6]))
def test_applied_twice_it_gives_its_input_and_it_keeps_lengths(power, blocks, size):
    block = 1 << power
    x = torch.randn(2, 3, blocks * block) * size
    y = hadamard(x, block)
    assert float((hadamard(y, block) - x).norm() / x.norm()) < 1e-6
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("block", [1, 2, 64, 512])
def test_the_matrix_is_sylvesters(block):
    doubled = torch.ones(1, 1)
    while len(doubled) < block:
        doubled = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), doubled)
    torch.testing.assert_close(hadamard_matrix(block), doubled / block**0.5)


def test_blocks_are_transformed_apart():
    x = torch.randn(4, 32)
    parts = [hadamard(x[:, i : i + 8], 8) for i in range(0, 32, 8)]
    torch.testing.assert_close(hadamard(x, 8), torch.cat(parts, dim=1))


def test_an_outlier_is_spread_over_its_block():
    x = torch.zeros(1, 128)
    x[0, 70] = 8.0
    y = hadamard(x, 64)
    assert bool((y[0, :64] == 0).all())
    torch.testing.assert_close(y[0, 64:].abs(), torch.ones(64))


class Rotated(torch.nn.Module):
    def forward(self, x):
        return hadamard(x, 16) + 1.0


def test_it_can_be_exported_without_constants_from_outside():
    program = torch.export.export(Rotated(), (torch.randn(2, 5, 32),))
    assert not program.constants and not program.state_dict
    x = torch.randn(2, 5, 32)
    torch.testing.assert_close(program.module()(x), hadamard(x, 16) + 1.0)


def test_it_compiles_into_one_graph():
    compiled = torch.compile(Rotated(), fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 5, 32)
    torch.testing.assert_close(compiled(x), hadamard(x, 16) + 1.0)


@pytest.mark.parametrize(("block", "width", "fits"), [(64, 96, 32), (3, 12, 4), (0, 8, 8)])
def test_a_block_that_does_not_fit_is_refused(block, width, fits):
    with pytest.raises(QuantVLAError, match=f"up to {fits}"):
        check_block(block, width)
