# SPDX-License-Identifier: Apache-2.0
"""The unit of work that travels to a worker, and what every way of playing has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.variants import Variant
from quantvla_ros.errors import QuantVLAError
from simulation.trajectory_controller import RATE_HZ

MOST_TRIES = 3


class Work(Protocol):
    """Anything that travels to a worker."""

    @property
    def label(self) -> str:
        """Its name in a sentence; no two works of one run have the same."""
        ...


AnyWork = TypeVar("AnyWork", bound=Work)
AnyResult = TypeVar("AnyResult")
_Given = TypeVar("_Given", bound=Work, contravariant=True)
_Got = TypeVar("_Got", covariant=True)


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


class WorkPlayer(Protocol[_Given, _Got]):
    """Lives in a worker process and does one work after the other."""

    def play(self, job: _Given, /) -> _Got:
        """Do it; the same work gives the same result."""
        ...


JobPlayer = WorkPlayer[Job, Outcome]
MakePlayer = Callable[[], WorkPlayer[AnyWork, AnyResult]]
"""Makes a player in the worker; pickled and compared, so a function of a module or a dataclass."""


class Lost:
    """Counts how often a work took its worker with it."""

    def __init__(self) -> None:
        """None yet."""
        self._count: Counter[str] = Counter()

    def note(self, job: Work, why: str) -> None:
        """Note a lost worker.

        Raises:
            QuantVLAError: the same work was lost `MOST_TRIES` times.
        """
        self._count[job.label] += 1
        if self._count[job.label] >= MOST_TRIES:
            raise QuantVLAError(
                f"{job.label} ended its worker {MOST_TRIES} times ({why}); is there enough memory? "
                "Try fewer --workers."
            )
