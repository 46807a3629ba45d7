# SPDX-License-Identifier: Apache-2.0
"""Pictures resized as floats, against what LeRobot made of the same raw ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from quantvla_ros.processing.float_pictures import FitFloatPictures, bilinear
from quantvla_ros.robot.interface import CameraSlot

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.mark.parametrize(
    ("checkpoint", "camera", "size", "place", "golden"),
    [
        ("pi05", "base_0_rgb", 56, "middle", "model.image.0"),
        ("pi05", "left_wrist_0_rgb", 56, "middle", "model.image.1"),
        ("smolvla", "front", 512, "bottom_right", "fullsize.image_512_every_8th"),
    ],
)
def test_pictures_are_those_that_the_network_was_given(checkpoint, camera, size, place, golden):
    known = load_file(PARITY / checkpoint / "golden.safetensors")
    png = known[f"raw.observation.images.{camera}.png"].tobytes()
    fit = FitFloatPictures((CameraSlot(camera, size, size),), place)
    found = fit({"images": {camera: np.asarray(Image.open(io.BytesIO(png)))}})
    every = 8 if "8th" in golden else 1
    np.testing.assert_allclose(found["images"][..., ::every, ::every], known[golden], atol=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (3, 40), (16, 16), (1, 1)])
def test_resizing_is_torchs_bilinear(shape):
    picture = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    given = torch.from_numpy(picture).permute(2, 0, 1)[None]
    wanted = torch.nn.functional.interpolate(given, (9, 12), mode="bilinear")[0].permute(1, 2, 0)
    np.testing.assert_allclose(bilinear(picture, 9, 12), wanted.numpy(), atol=1e-6)


def test_a_missing_camera_is_black_and_masked():
    slots = (CameraSlot("here", 4, 4), CameraSlot("gone", 4, 4, optional=True))
    found = FitFloatPictures(slots, "middle")({"images": {"here": np.zeros((4, 8, 3), np.uint8)}})
    assert found["camera_mask"].tolist() == [True, False]
    assert found["images"].shape == (2, 3, 4, 4) and (found["images"] == -1).all()


def test_borders_stand_where_they_stood_in_training():
    white = {"images": {"front": np.full((2, 4, 3), 255, np.uint8)}}
    rows = {
        place: FitFloatPictures((CameraSlot("front", 5, 4),), place, border=-3.0)(white)["images"][
            0, 0, :, 0
        ].tolist()
        for place in ("middle", "bottom_right")
    }
    assert rows == {"middle": [-3, 1, 1, -3, -3], "bottom_right": [-3, -3, -3, 1, 1]}
