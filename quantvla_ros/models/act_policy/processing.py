# SPDX-License-Identifier: Apache-2.0
"""The way in and out of an ACT policy; what it is told is not used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import action_scaling, state_scaling
from quantvla_ros.processing.steps import (
    FitPictures,
    NormalizeState,
    Select,
    Values,
    stack_pictures,
)


@dataclass(frozen=True)
class NormalizePictures:
    """From uint8 [cameras, H, W, 3] to float32 [cameras, 3, H, W] by each camera's statistics.

    Attributes:
        mean: of each camera's channels, where black is 0 and white 1, float32 [cameras, 3].
        std: deviation of the same.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __call__(self, values: Values) -> Values:
        """Change "images"."""
        floats = values["images"].astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255)
        mean, std = (one[:, :, None, None] for one in (self.mean, self.std))
        return {**values, "images": np.ascontiguousarray((floats - mean) / std)}


def processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """Pictures and a state, normalized by the statistics of training; and the way back."""
    config = ActPolicyConfig.model_validate(manifest.architecture)
    interface, norm = manifest.interface, manifest.normalization
    steps = (
        FitPictures(interface.cameras, "crop"),
        stack_pictures,
        NormalizePictures(
            np.array(config.picture_mean, np.float32), np.array(config.picture_std, np.float32)
        ),
        NormalizeState(state_scaling(norm), interface.state.width),
        Select(("images", "state")),
    )
    return Processing(interface, steps, action_scaling(norm))
