# SPDX-License-Identifier: Apache-2.0
"""Pictures in -1..1, and a prompt that tells the state in numbers from 0 to 255."""

from __future__ import annotations

import numpy as np

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.models.pi05.prompts import WritePrompt
from quantvla_ros.processing.float_pictures import FitFloatPictures
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import action_scaling, state_scaling
from quantvla_ros.processing.steps import (
    CleanInstruction,
    FitPictures,
    NormalizeState,
    Select,
    Step,
    Tokenize,
    Values,
    stack_pictures,
)


def scale_pictures(values: Values) -> Values:
    """Make "images" float32 [cameras, 3, S, S] in -1..1 of uint8 [cameras, S, S, 3]."""
    floats = values["images"].astype(np.float32) / np.float32(255) * np.float32(2) - np.float32(1)
    return {**values, "images": np.ascontiguousarray(floats.transpose(0, 3, 1, 2))}


def processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """The way in and out of a bundle's policy.

    LeRobot resizes pictures as floats without smoothing; openpi resizes bytes by Pillow's bilinear
    filter, which smooths (packages/openpi-client, image_tools.py).
    """
    config = Pi05Config.model_validate(manifest.architecture)
    interface, norm = manifest.interface, manifest.normalization
    pictures: tuple[Step, ...] = (
        (FitFloatPictures(interface.cameras, "middle", config.border),)
        if config.resize == "floats"
        else (FitPictures(interface.cameras, "pad"), stack_pictures, scale_pictures)
    )
    steps: tuple[Step, ...] = (
        *pictures,
        NormalizeState(state_scaling(norm), interface.state.width),
        CleanInstruction(tokenizer),
        WritePrompt(config.state_in_prompt is not None),
        Tokenize(tokenizer),
        Select(("images", "camera_mask", "tokens", "token_mask")),
    )
    return Processing(interface, steps, action_scaling(norm))
