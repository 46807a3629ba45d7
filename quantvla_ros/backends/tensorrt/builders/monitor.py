# SPDX-License-Identifier: Apache-2.0
"""TensorRT's progress as one share: its phases lie within one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PhaseTree:
    """Phases with their steps; a phase within another is a step of that one under way."""

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._steps: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._share = 0.0

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins within `parent`, None for the outermost one."""
        self._parents[phase], self._steps[phase], self._done[phase] = parent, max(steps, 1), 0

    def step(self, phase: str, step: int) -> None:
        """A phase has done its step number `step`, counted from 0."""
        self._done[phase] = max(self._done.get(phase, 0), step + 1)

    def finish(self, phase: str) -> None:
        """A phase has ended, whatever steps it left out."""
        for known in (self._parents, self._steps, self._done):
            known.pop(phase, None)

    def share(self) -> float:
        """Share of the whole that is done, 0..1; never less than before."""
        roots = [phase for phase, parent in self._parents.items() if parent not in self._parents]
        self._share = max([self._share, *(self._of(phase) for phase in roots)])
        return self._share

    def _of(self, phase: str) -> float:
        within = [self._of(p) for p, parent in self._parents.items() if parent == phase]
        return min(1.0, (self._done[phase] + max(within, default=0.0)) / self._steps[phase])


def new_monitor(trt: Any, progress: Callable[[float], None]) -> Any:
    """A progress monitor for TensorRT's builder that tells `progress` the share done."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases = PhaseTree()

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases.start(phase, parent, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            self._phases.step(phase, step)
            progress(self._phases.share())
            return True  # a build that is to end is ended with its process

        def phase_finish(self, phase: str) -> None:
            self._phases.finish(phase)

    return Monitor()
