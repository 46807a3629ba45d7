# SPDX-License-Identifier: Apache-2.0
"""A scripted policy for the inference process: waves the arm, and fails when a file tells it to."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.base import Backend, Options, Runner
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BackendError
from quantvla_ros.processing.trained_range import FARTHEST
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.robot.observation import Observation

if TYPE_CHECKING:
    from torch import Tensor

    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.quantization.schemes import Precision

MODE_VARIABLE = "QUANTVLA_FAULT_STUDY_MODE"
INSTRUCTION = "put the butter in the basket"
"""The policy does not look at it; the node does, and follows none that the bundle cannot know."""
AMPLITUDE_RAD, FREQUENCY_HZ = 0.25, 0.6
OUTSIDE_RAD = 4.0
ASTRAY = FARTHEST + 4.0  # standard deviations of the joint that the training moved least
LATE_S = 30.0


def next_fastest(time_s: float) -> float:
    """First moment from `time_s` on, s in ROS time, at which the wave is at its fastest."""
    return math.ceil(2 * FREQUENCY_HZ * time_s) / (2 * FREQUENCY_HZ)


class WavePolicy:
    """Moves every joint in rad around the mean of the bundle's data; the others stay."""

    kernel = "scripted"
    integer_layers = 0

    def __init__(self, path: Path) -> None:
        """Take interface and mean posture from a bundle."""
        self.manifest = load_manifest(path)
        self._mode = os.environ.get(MODE_VARIABLE, "")

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        """Return the wave, or do what the file says: nan, outside, astray, late, hang, raise."""
        mode = Path(self._mode).read_text(encoding="utf-8") if self._mode else ""
        if mode == "hang":
            time.sleep(3600)
        if mode == "raise":
            raise RuntimeError("the study told the policy to raise")
        interface = self.manifest.interface
        action, state = interface.action, interface.state.names
        index = [state.index(name) for name in action.names]
        centre = np.array(self.manifest.normalization.state_mean)[index]
        moves = action.of_type("arm")
        due = observation.stamp + interface.dt * np.arange(1, interface.horizon + 1)
        wave = AMPLITUDE_RAD * np.sin(2 * np.pi * FREQUENCY_HZ * due)
        actions = centre + np.outer(wave, moves)
        if mode == "nan":
            actions[-1, 0] = np.nan
        if mode == "outside":
            actions[:, 0] += OUTSIDE_RAD
        if mode == "astray":
            std = np.where(moves, np.array(self.manifest.normalization.state_std)[index], np.inf)
            actions[:, std.argmin()] += ASTRAY * std.min()
        stamp = observation.stamp - (LATE_S if mode == "late" else 0.0)
        return Chunk(actions, stamp, {"denoise": 0.0})

    def weight_bytes(self) -> int:
        """Return nothing: it has no weights."""
        return 0

    def layer_bytes(self, names: Sequence[str]) -> int:
        """Return nothing: it has no layers."""
        return 0


class WaveBackend(Backend):
    """The backend `wave`, which needs no network."""

    name = "wave"

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`."""
        return 8

    def target(self) -> str:
        """See `Backend`: a script is the same everywhere."""
        return "any"

    def load(
        self, bundle: Bundle, network: Any, options: Options, example: Mapping[str, Tensor]
    ) -> Runner:
        """Refuse: there is no network."""
        raise BackendError("the backend 'wave' runs no network")

    def policy(self, path: Path, options: Options) -> WavePolicy:
        """See `Backend`."""
        return WavePolicy(path)


BACKEND = WaveBackend()


def with_wave(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which processes find the backend `wave`."""
    root = Path(__file__).parents[2]
    places = [root / "studies" / "entry_points", root, environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(map(str, filter(None, places)))}
