# SPDX-License-Identifier: Apache-2.0
"""The unit of work that travels to a worker, and what every way of playing has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calib_tools.evaluation.outcome import Outcome
from calib_tools.evaluation.plan import PlannedEpisode
from calib_tools.evaluation.variants import Variant
from quantvla_ros.errors import QuantVLAError

MOST_TRIES = 3


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
    """

    variant: Variant
    episode: PlannedEpisode
    latency_s: float
    denoise_steps: int | None
    max_seconds: float
    picture: Path | None = None


class JobPlayer(Protocol):
    """Lives in a worker process and plays one job after the other."""

    def play(self, job: Job) -> Outcome:
        """Play it; the same job gives the same outcome."""
        ...


MakePlayer = Callable[[], JobPlayer]
"""Makes a player in the worker; a function of a module, because it is pickled."""


class Lost:
    """Counts how often an episode took its worker with it."""

    def __init__(self) -> None:
        """None yet."""
        self._count: Counter[tuple[str, int]] = Counter()

    def note(self, job: Job, why: str) -> None:
        """Note a lost worker.

        Raises:
            QuantVLAError: the same episode was lost `MOST_TRIES` times.
        """
        key = (job.variant.label, job.episode.index)
        self._count[key] += 1
        if self._count[key] >= MOST_TRIES:
            raise QuantVLAError(
                f"Episode {key[1]} of '{key[0]}' ended its worker {MOST_TRIES} times ({why}); is "
                "there enough memory? Try fewer --workers."
            )
