# SPDX-License-Identifier: Apache-2.0
"""The unit of work of an evaluation: one episode of one variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calib_tools.common.work import WorkPlayer
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.variants import Variant
from simulation.trajectory_controller import RATE_HZ


@dataclass(frozen=True)
class Job:
    """One episode of one variant.

    Attributes:
        variant: who plays.
        episode: what.
        latency_s: simulated time from observation to chunk.
        denoise_steps: instead of the bundle's own, unless None.
        max_seconds: simulation time after which the episode has failed.
        picture: where to write a GIF of it; none when None.
        controller_rate_hz: of the robot's trajectory controller.
    """

    variant: Variant
    episode: PlannedEpisode
    latency_s: float
    denoise_steps: int | None
    max_seconds: float
    picture: Path | None = None
    controller_rate_hz: float = RATE_HZ

    @property
    def label(self) -> str:
        """Names episode and variant."""
        return f"Episode {self.episode.index} of '{self.variant.label}'"


JobPlayer = WorkPlayer[Job, Outcome]
