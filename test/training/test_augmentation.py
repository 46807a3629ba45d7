# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from training.augmentation import GRAIN, Looks, draw_looks, grains, look

NOISE = grains(8, 0)


def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 2, 8, 8, 3), dtype=torch.uint8, generator=generator)


def neutral(count):
    return Looks(
        gain=torch.ones(count, 2, 3),
        offset=torch.zeros(count, 2, 1),
        grain=torch.zeros(count, 2, dtype=torch.int64),
        strength=torch.zeros(count, 2),
    )


def test_light_changes_colours_and_not_shapes():
    looks = draw_looks(3, 2, torch.Generator().manual_seed(0))._replace(strength=torch.zeros(3, 2))
    seen = look(pictures(), looks, NOISE)
    assert seen.dtype == torch.uint8
    assert seen.shape == pictures().shape
    assert not torch.equal(seen, pictures())
    for before, after in zip(pictures().flatten(0, 1), seen.flatten(0, 1), strict=True):
        for colour in range(3):  # one light a picture: brighter pixels stay brighter
            order = before[..., colour].flatten().argsort()
            assert (after[..., colour].flatten()[order].int().diff() >= 0).all()


def test_grain_has_the_strength_of_its_picture():
    grey = torch.full((1, 2, 96, 96, 3), 128, dtype=torch.uint8)
    looks = neutral(1)._replace(strength=torch.tensor([[0.0, GRAIN]]))
    seen = look(grey, looks, grains(96, 0)).float()
    assert seen[0, 0].std() == 0.0
    assert 0.95 * GRAIN < seen[0, 1].std() < 1.05 * GRAIN


def test_neutral_looks_leave_a_picture_as_it_is():
    assert torch.equal(look(pictures(), neutral(3), NOISE), pictures())


def test_looks_differ_between_cameras_and_repeat():
    first = draw_looks(4, 2, torch.Generator().manual_seed(1))
    again = draw_looks(4, 2, torch.Generator().manual_seed(1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(first.gain[..., 0].unique()) == len(first.strength.unique()) == 8
