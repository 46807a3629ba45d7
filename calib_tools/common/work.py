# SPDX-License-Identifier: Apache-2.0
"""What travels to worker processes: a work, and the player that does it there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeVar

from quantvla_ros.errors import QuantVLAError

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


class WorkPlayer(Protocol[_Given, _Got]):
    """Lives in a worker process and does one work after the other."""

    def play(self, job: _Given, /) -> _Got:
        """Do it; the same work gives the same result."""
        ...


MakePlayer = Callable[[], WorkPlayer[AnyWork, AnyResult]]
"""Makes a player in the worker; pickled and compared, so a function of a module or a dataclass."""


class RetryCounter:
    """Counts how often a work took its worker with it."""

    def __init__(self) -> None:
        """Start with none lost."""
        self._lost: Counter[str] = Counter()

    def note(self, job: Work, why: str) -> None:
        """Note a lost worker.

        Raises:
            QuantVLAError: the same work was lost `MOST_TRIES` times.
        """
        self._lost[job.label] += 1
        if self._lost[job.label] >= MOST_TRIES:
            raise QuantVLAError(
                f"{job.label} ended its worker {MOST_TRIES} times ({why}); is there enough memory? "
                "Try fewer --workers."
            )
