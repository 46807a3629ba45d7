# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from training.augmentation import light, relight


def test_light_changes_colours_and_not_shapes():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (3, 2, 8, 8, 3), dtype=torch.uint8, generator=generator)
    seen = relight(pictures, light(3, 2, generator))
    assert seen.dtype == torch.uint8
    assert seen.shape == pictures.shape
    assert not torch.equal(seen, pictures)
    for before, after in zip(pictures.flatten(0, 1), seen.flatten(0, 1), strict=True):
        for colour in range(3):  # one light a picture: brighter pixels stay brighter
            order = before[..., colour].flatten().argsort()
            assert (after[..., colour].flatten()[order].int().diff() >= 0).all()


def test_neutral_light_leaves_a_picture_as_it_is():
    pictures = torch.arange(192, dtype=torch.uint8).view(1, 1, 8, 8, 3)
    neutral = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1).expand(1, 1, 2, 3)
    assert torch.equal(relight(pictures, neutral), pictures)


def test_lights_differ_between_cameras_and_repeat():
    first = light(4, 2, torch.Generator().manual_seed(1))
    assert torch.equal(first, light(4, 2, torch.Generator().manual_seed(1)))
    assert len(first[:, :, 0, 0].unique()) == 8
