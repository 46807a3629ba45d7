# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from quantvla_ros.quantization.activations import (
    activation_limit,
    quantize_activation,
    quantize_static,
)


@pytest.mark.parametrize("bits", [7, 8])
def test_dynamic_grid_is_symmetric_and_full(bits):
    x = torch.tensor([[-2.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    grid, scale = quantize_activation(x, activation_limit(bits))
    assert grid[0, 0] == -activation_limit(bits)
    assert bool((grid == grid.round()).all())
    torch.testing.assert_close(grid * scale, x, atol=float(scale.max()) / 2, rtol=0)
    assert grid[1].tolist() == [0.0, 0.0, 0.0]


def test_static_grid_rounds_clips_and_shows_faults():
    x = torch.tensor([0.24, -0.26, 100.0, -100.0, torch.nan, torch.inf])
    grid = quantize_static(x, 127, torch.tensor(0.5))
    assert grid[:4].tolist() == [0.0, -1.0, 127.0, -127.0]
    assert bool(grid[4:].isnan().all())
