# SPDX-License-Identifier: Apache-2.0
"""Record a data set in several processes; what is recorded stays, so a recording resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.registry import TASKS, make_task
from training.data.finish import finish, finished_parts, recorded_fps
from training.data.parts import part_path, waiting_parts
from training.processes import run_all


@dataclass(frozen=True)
class Job:
    """One part: some seeds of one task family."""

    out: Path
    family: str
    seeds: range
    fps: int
    """Frames a second of the data set."""

    bundle: Path | None = None
    """Of the policy that drives, for corrections."""

    @property
    def name(self) -> str:
        """Name of the part."""
        return f"{self.family}-{self.seeds.start:07d}"

    @property
    def path(self) -> Path:
        """File of the part."""
        return part_path(self.out, self.name)


def families(tasks: str) -> list[str]:
    """Names in a list separated by commas; "all" stands for every family.

    Raises:
        QuantVLAError: there is no such family.
    """
    names = list(TASKS) if tasks == "all" else tasks.split(",")
    for name in names:
        make_task(name)
    return names


def seed_range(seeds: str) -> range:
    """Seeds of "FIRST:LAST", the last one excluded.

    Raises:
        QuantVLAError: it is not of that form, or there is no seed in it.
    """
    first, _, last = seeds.partition(":")
    if not (first.isdigit() and last.isdigit()) or int(first) >= int(last):
        raise QuantVLAError(f"'{seeds}' names no seeds; write FIRST:LAST, for example 0:200.")
    return range(int(first), int(last))


def jobs(
    out: Path, tasks: Sequence[str], seeds: range, size: int, fps: int, bundle: Path | None = None
) -> list[Job]:
    """Cut the seeds into parts of `size`; the families take turns."""
    return [
        Job(out, family, range(start, min(start + size, seeds.stop)), fps, bundle)
        for start in range(seeds.start, seeds.stop, size)
        for family in tasks
    ]


def record(work: Callable[[Job], str], planned: Sequence[Job], processes: int) -> None:
    """Do what is not done yet, then finish the data set.

    Raises:
        QuantVLAError: a part has no successful episode, or cannot be read, or the data set that is
            there has another rate.
    """
    out, fps = planned[0].out, planned[0].fps
    done = set(finished_parts(out))
    if done and (theirs := recorded_fps(out)) != fps:
        raise QuantVLAError(
            f"{out} holds {theirs} frames a second, not {fps}; take another directory."
        )
    todo = [job for job in planned if job.name not in done and not job.path.exists()]
    run_all(work, todo, processes, len(planned) - len(todo), len(planned))
    if todo or waiting_parts(out):
        finish(out, fps)
