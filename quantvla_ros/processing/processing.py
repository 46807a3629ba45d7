# SPDX-License-Identifier: Apache-2.0
"""The way in and out of a policy: an observation to network inputs, its output to actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.processing.scaling import Scaler, action_scaling, state_scaling
from quantvla_ros.processing.steps import (
    FitPictures,
    NormalizeState,
    Select,
    Step,
    Tokenize,
    Values,
    stack_pictures,
)
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.observation import Observation, check_observation, state_vector

Inputs = dict[str, NDArray[np.generic]]


def blank_observation(interface: Interface) -> Observation:
    """An observation of the trained shapes and no content, to compile with."""
    return Observation(
        images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in interface.cameras},
        joints=np.zeros(len(interface.state.names), np.float32),
        instruction="compile",
        stamp=0.0,
    )


class Processing:
    """What calibration, gate, evaluation and node do alike before and after the network."""

    def __init__(self, interface: Interface, steps: Sequence[Step], actions: Scaler) -> None:
        """Compose it.

        Args:
            interface: what observations and actions are.
            steps: from an observation's values to the network's inputs.
            actions: normalization of a chunk, [horizon, actions].
        """
        self._interface, self._steps, self._actions = interface, steps, actions

    def inputs(self, observation: Observation) -> Inputs:
        """What the network takes, by name and without a batch axis.

        Raises:
            QuantVLAError: the observation is not what the interface says.
        """
        check_observation(self._interface, observation)
        values: Values = {
            "images": observation.images,
            "state": state_vector(self._interface, observation.joints),
            "instruction": observation.instruction,
        }
        for step in self._steps:
            values = step(values)
        return dict(values)

    def actions(
        self, normalized: NDArray[np.floating], observation: Observation
    ) -> NDArray[np.float64]:
        """Actions [horizon, actions] in SI from a normalized chunk [horizon or more, width]."""
        action, rows = self._interface.action, self._interface.horizon
        known = self._actions.denormalize(normalized[:rows, : len(action.values)])
        return self._interface.chunk(known, observation.joints)

    def normalized(
        self, actions: NDArray[np.float64], observation: Observation
    ) -> NDArray[np.float64]:
        """The way back of `actions`, for the first rows of a chunk: [K, actions]."""
        known = self._interface.values(actions, observation.joints)
        return np.asarray(self._actions.normalize(known), np.float64)


def mean_std_processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    """Square pictures in one array, mean and standard deviation, a prompt padded on the right."""
    norm = manifest.normalization
    steps = (
        FitPictures(manifest.interface.cameras, "crop"),
        stack_pictures,
        NormalizeState(state_scaling(norm), manifest.interface.state.width),
        Tokenize(tokenizer),
        Select(("images", "state", "tokens", "token_mask")),
    )
    return Processing(manifest.interface, steps, action_scaling(norm))
