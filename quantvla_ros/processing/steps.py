# SPDX-License-Identifier: Apache-2.0
"""The steps from an observation to network inputs; a family lists its own, with parameters.

A step takes values by name and returns others; it keeps what it does not know. The first one gets
"images" (by camera), "state" (float32 [n], in the policy's units) and "instruction".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.processing.fitting import Fit, fit_picture
from quantvla_ros.processing.scaling import Scaler
from quantvla_ros.robot.interface import CameraSlot

Values = Mapping[str, Any]
Step = Callable[[Values], Values]


@dataclass(frozen=True)
class FitPictures:
    """Every camera's picture in its trained size; "camera_mask" tells which cameras there are.

    Attributes:
        cameras: slots in the order of the network.
        fit: see `fit_picture`.
    """

    cameras: Sequence[CameraSlot]
    fit: Fit

    def __call__(self, values: Values) -> Values:
        """Change "images"; the picture of an optional camera that is missing is black."""
        given = values["images"]
        images = {
            c.name: fit_picture(given[c.name], c.height, c.width, self.fit)
            if c.name in given
            else np.zeros((c.height, c.width, 3), np.uint8)
            for c in self.cameras
        }
        mask = np.array([c.name in given for c in self.cameras])
        return {**values, "images": images, "camera_mask": mask}


def stack_pictures(values: Values) -> Values:
    """Make "images" one array, uint8 [cameras, height, width, 3]; all have one size."""
    return {**values, "images": np.stack(list(values["images"].values()))}


@dataclass(frozen=True)
class NormalizeState:
    """The value "state" as the network knows it, float32.

    Attributes:
        scaling: of the n values.
        width: of the network's input; zeros follow the n values.
    """

    scaling: Scaler
    width: int

    def __call__(self, values: Values) -> Values:
        """Change "state"."""
        state = np.zeros(self.width, np.float32)
        known = self.scaling.normalize(values["state"])
        state[: len(known)] = known
        return {**values, "state": state}


@dataclass(frozen=True)
class Tokenize:
    """From "instruction" to "tokens", int64 [L], and "token_mask", bool [L].

    Attributes:
        tokenizer: of the bundle.
        padding: on which side.
    """

    tokenizer: Tokenizer
    padding: Literal["left", "right"] = "right"

    def __call__(self, values: Values) -> Values:
        """Add both; of "prompt" where a step before has made one."""
        text = values.get("prompt", values["instruction"])
        tokens, mask = self.tokenizer.encode(text, self.padding)
        return {**values, "tokens": tokens, "token_mask": mask}


@dataclass(frozen=True)
class CleanInstruction:
    """Takes the tokenizer's special tokens out of "instruction"; before a prompt is made of it."""

    tokenizer: Tokenizer

    def __call__(self, values: Values) -> Values:
        """Change "instruction"."""
        return {**values, "instruction": self.tokenizer.cleaned(values["instruction"])}


@dataclass(frozen=True)
class Select:
    """Only the values of these names, which the network takes."""

    names: tuple[str, ...]

    def __call__(self, values: Values) -> Values:
        """Leave the others out."""
        return {name: values[name] for name in self.names}
