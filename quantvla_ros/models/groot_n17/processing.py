# SPDX-License-Identifier: Apache-2.0
"""The way in and out of a GR00T N1.7 policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.groot_n17.config import GrootN17Config
from quantvla_ros.models.groot_n17.pictures import CutPatches
from quantvla_ros.models.groot_n17.prompt import chat_prompt
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import Scaler, action_scaling, state_scaling
from quantvla_ros.processing.steps import NormalizeState, Select


@dataclass(frozen=True)
class TwoSided:
    """Scaling of actions, some of which only say which of two ways a gripper goes.

    A network knows them as 0 and 1, a robot as 1 and -1: above the middle becomes -1.
    Source: lerobot 0.6.1 policies/groot/processor_groot.py, action_decode_transform "libero".

    Attributes:
        scaling: of all actions.
        columns: those actions.
    """

    scaling: Scaler
    columns: tuple[int, ...]

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """See `Scaler`."""
        known = values.copy()
        known[:, self.columns] = (1.0 - known[:, self.columns]) / 2.0
        return self.scaling.normalize(known)

    def denormalize(self, normalized: NDArray[np.floating]) -> NDArray[np.float64]:
        """See `Scaler`."""
        values = self.scaling.denormalize(normalized)
        values[:, self.columns] = -np.sign(2.0 * values[:, self.columns] - 1.0)
        return values


def processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """Pictures as patches, a state in -1..1, a chat; and the way back of a chunk."""
    config = GrootN17Config.model_validate(manifest.architecture)
    interface, norm = manifest.interface, manifest.normalization
    steps = (
        CutPatches(interface.cameras, config.pictures, config.grids),
        NormalizeState(state_scaling(norm), interface.state.width),
        chat_prompt(tokenizer, len(interface.cameras), config.formalize),
        Select(("patches", "state", "tokens", "token_mask")),
    )
    scaling = action_scaling(norm)
    if config.two_sided:
        scaling = TwoSided(scaling, config.two_sided)
    return Processing(interface, steps, scaling)
