# SPDX-License-Identifier: Apache-2.0
"""From an observation to the inputs of a SmolVLA network, and from its output to actions.

Source: LeRobot 0.6.1, policies/smolvla/{processor_smolvla,modeling_smolvla}.py.
"""

from __future__ import annotations

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.processing.float_pictures import FitFloatPictures
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import action_scaling, state_scaling
from quantvla_ros.processing.steps import (
    CleanInstruction,
    NormalizeState,
    Select,
    Tokenize,
    Values,
)


def line_prompt(values: Values) -> Values:
    """Make "prompt" of the instruction: one line, with its end, as the policy was trained."""
    text = values["instruction"]
    return {**values, "prompt": text if text.endswith("\n") else f"{text}\n"}


def smolvla_processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """Pictures in the bottom right corner of their square, state and actions normalized."""
    interface, norm = manifest.interface, manifest.normalization
    steps = (
        FitFloatPictures(interface.cameras, "bottom_right"),
        NormalizeState(state_scaling(norm), interface.state.width),
        CleanInstruction(tokenizer),
        line_prompt,
        Tokenize(tokenizer),
        Select(("images", "camera_mask", "state", "tokens", "token_mask")),
    )
    return Processing(interface, steps, action_scaling(norm))
