# SPDX-License-Identifier: Apache-2.0
"""The way in and out of a policy: an observation to network inputs, its output to actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import BundleManifest, Interface
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.robot.observation import Observation, check_observation, state_vector

Inputs = dict[str, NDArray[np.generic]]


def blank_observation(interface: Interface) -> Observation:
    """An observation of the right shapes and no content, to compile with."""
    return Observation(
        images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in interface.cameras},
        joints=np.zeros(len(interface.state.names), np.float32),
        instruction="compile",
        stamp=0.0,
    )


class Processing:
    """What calibration, gate, evaluation and node do alike before and after the network."""

    def __init__(self, manifest: BundleManifest, tokenizer: Tokenizer) -> None:
        """Take interface and normalization from a manifest."""
        self._interface, self._tokenizer = manifest.interface, tokenizer
        norm = manifest.normalization
        self._state_mean = np.asarray(norm.state_mean, np.float32)
        self._state_std = np.asarray(norm.state_std, np.float32)
        self._action_mean = np.asarray(norm.action_mean, np.float64)
        self._action_std = np.asarray(norm.action_std, np.float64)
        action, seen = self._interface.action, self._interface.state.names
        self._relative = np.asarray(action.relative, dtype=bool)
        self._observed = [
            seen.index(n)
            for n, relative in zip(action.names, action.relative, strict=True)
            if relative
        ]

    def inputs(self, observation: Observation) -> Inputs:
        """What the network takes, by the names of the arguments of its `encode`, no batch axis.

        Raises:
            QuantVLAError: the observation is not what the interface says.
        """
        check_observation(self._interface, observation)
        state = state_vector(self._interface, observation.joints)
        tokens, token_mask = self._tokenizer.encode(observation.instruction)
        return {
            "images": np.stack([observation.images[c.name] for c in self._interface.cameras]),
            "state": ((state - self._state_mean) / self._state_std).astype(np.float32),
            "tokens": tokens,
            "token_mask": token_mask,
        }

    def actions(
        self, normalized: NDArray[np.floating], observation: Observation
    ) -> NDArray[np.float64]:
        """Actions [horizon, actions] in the robot's units from a normalized chunk."""
        known = normalized.astype(np.float64) * self._action_std + self._action_mean
        result: NDArray[np.float64] = known + self._offset(observation)
        return result

    def normalized(
        self, actions: NDArray[np.floating], observation: Observation
    ) -> NDArray[np.float64]:
        """The way back of `actions`, for the first rows of a chunk: [K, actions]."""
        known = len(actions)
        rows = actions - self._offset(observation)
        result: NDArray[np.float64] = (rows - self._action_mean[:known]) / self._action_std[:known]
        return result

    def _offset(self, observation: Observation) -> NDArray[np.float64]:
        """What the relative actions are counted from: where the robot was seen, else zero."""
        offset = np.zeros(len(self._relative))
        offset[self._relative] = observation.joints[self._observed]
        return offset
