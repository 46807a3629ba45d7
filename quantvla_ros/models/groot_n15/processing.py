# SPDX-License-Identifier: Apache-2.0
"""The way in and out of a GR00T N1.5 policy."""

from __future__ import annotations

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.groot_n15.config import GrootN15Config
from quantvla_ros.models.groot_n15.pictures import SquarePictures
from quantvla_ros.models.groot_n15.prompt import chat_prompt
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import action_scaling, state_scaling
from quantvla_ros.processing.steps import NormalizeState, Select


def processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """Square pictures, a state where -1..1 is the range of the data, a chat; and the way back."""
    config = GrootN15Config.model_validate(manifest.architecture)
    interface, norm = manifest.interface, manifest.normalization
    steps = (
        SquarePictures(interface.cameras, config.vision.image_size, config.origin),
        NormalizeState(state_scaling(norm), interface.state.width),
        chat_prompt(tokenizer, config),
        Select(("pictures", "state", "tokens", "token_mask")),
    )
    return Processing(interface, steps, action_scaling(norm))
