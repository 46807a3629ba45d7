# SPDX-License-Identifier: Apache-2.0
"""Train a policy by flow matching; by steps, resumable at any moment.

`python -m training.train --demos DIR --out RUN --steps N [--corrections DIR --init RUN]`
A checkpoint is written at least every two minutes; starting the same command again goes on from
it. The batch is split over processes of one thread each: they wait for each other once a step,
where the threads of one process would wait at every operation.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.distributed as dist
import typer
from torch.multiprocessing.spawn import spawn

from calib_tools.common.failures import told
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.parent_process import end_with_parent
from quantvla_ros.whole_file import whole_file
from training import runlog
from training.architectures import ARCHITECTURES, DEFAULT, find_architecture
from training.dataset import Frames, Statistics, load_frames
from training.export import export
from training.settings import Corrections, CorrectionWeight, Demos, Settings
from training.starting_point import CHECKPOINT, STATISTICS, starting_point
from training.trainer import Trainer

FIRST_SEED = 4_000_000  # seen neither in training nor in evaluation
LATENCY_S = 0.12
GOALS_A_SCENE = 2


def check_plan(families: Sequence[str], scenes: int) -> list[tuple[str, int, int]]:
    """Family, seed and goal of every episode of a check."""
    return [
        (family, FIRST_SEED + scene, scene + goal)
        for scene in range(scenes)
        for family in families
        for goal in range(GOALS_A_SCENE)
    ]


def play(bundle: Path, episodes: Sequence[tuple[str, int, int]]) -> list[tuple[str, bool]]:
    """Family and success of each of the episodes, played one after the other."""
    from calib_tools.evaluate.closed_loop import ClosedLoop
    from quantvla_ros.backends.policy import load_policy
    from training.processes import robot_of

    policy = load_policy(bundle, threads=1)
    results = []
    for family, seed, goal in episodes:
        loop = ClosedLoop(robot_of(family), policy, lambda: LATENCY_S)
        results.append((family, loop.play(seed, goal, wording=seed).success))
    return results


def rates(results: Sequence[tuple[str, bool]]) -> dict[str, float]:
    """Share of solved episodes by family."""
    solved: dict[str, list[bool]] = {}
    for family, success in sorted(results):
        solved.setdefault(family, []).append(success)
    return {family: round(sum(ended) / len(ended), 3) for family, ended in solved.items()}


CHECKPOINT_S = 110.0
LOG_EVERY, DRAW_EVERY = 25, 100
DRAFT = "draft_bundle"


def prepare(settings: Settings) -> None:
    """Make what all processes read: pictures decoded, normalization of the run.

    The normalization is that of what it starts from, or measured on its demonstrations.

    Raises:
        QuantVLAError: a data set is missing or damaged, or it cannot start from what was named.
    """
    target = settings.out / STATISTICS
    load_frames(settings.demos, settings.corrections)
    if target.exists():
        return
    architecture = find_architecture(settings.network)
    if settings.init is not None:
        statistics = starting_point(settings.init, architecture, settings.narrow).statistics
    else:
        statistics = Statistics.of(load_frames(settings.demos), architecture.state == "range")
    statistics.save(target)


def read_frames(settings: Settings) -> Frames:
    """All frames, normalized."""
    frames = load_frames(settings.demos, settings.corrections, settings.correction_weight)
    Statistics.load(settings.out / STATISTICS).apply(frames)
    return frames


def train(rank: int, settings: Settings, store: str, parent: int) -> None:
    """Body of one training process; it ends the process."""
    end_with_parent(parent)
    torch.set_num_threads(1)
    ranks = settings.processes
    # No URL of the file: a "#" in the name of a temporary directory would end it there.
    meeting = dist.FileStore(store, ranks)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=meeting, rank=rank, world_size=ranks)
    frames = read_frames(settings)
    architecture = find_architecture(settings.network)
    trainer = Trainer(
        architecture,
        frames,
        settings.batch,
        settings.seed,
        rank,
        ranks,
        settings.narrow,
        settings.peak,
    )
    checkpoint = settings.out / CHECKPOINT
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=False))
    elif settings.init is not None:
        trainer.start_from(starting_point(settings.init, architecture, settings.narrow))
    if rank == 0:
        print(f"{len(frames)} frames, step {trainer.step} of {settings.steps}", flush=True)
    Run(trainer, settings).go()
    # Left without the interpreter's end: a thread of gloo that still frees a tensor would ask for
    # the interpreter then, and abort a process whose work is done and written.
    sys.stdout.flush()
    os._exit(0)


class Run:
    """Steps until done; the first process logs progress and writes checkpoints."""

    def __init__(self, trainer: Trainer, settings: Settings) -> None:
        """Begin where the trainer stands."""
        self.trainer, self.settings, self.out = trainer, settings, settings.out
        self.first = trainer.rank == 0
        self.started = self.saved = time.monotonic()
        self.begun_at = trainer.step
        self.paused = 0.0
        self.recent: list[dict[str, torch.Tensor]] = []
        if self.first:
            runlog.rewind(self.out, trainer.step)

    def go(self) -> None:
        """Train to the last step; a finished run is left as it is."""
        trainer, every, steps = self.trainer, self.settings.check_every, self.settings.steps
        while trainer.step < steps:
            losses = trainer.advance(trainer.step / steps)
            last = trainer.step == steps
            if self.first:
                self.recent.append(losses)
                if trainer.step % LOG_EVERY == 0 or last:
                    self._log()
                if trainer.step % DRAW_EVERY == 0 or last:
                    runlog.draw(self.out)
                if last or time.monotonic() - self.saved > self.settings.checkpoint_s:
                    self._save()
            if every and (trainer.step % every == 0 or last):
                self._check()

    def _log(self) -> None:
        trainer, steps = self.trainer, self.settings.steps
        spent = time.monotonic() - self.started - self.paused
        pace = spent / (trainer.step - self.begun_at)
        mean = runlog.means(self.recent)
        line = {"step": trainer.step, **mean, "s_per_step": round(pace, 3)}
        runlog.append(self.out, line)
        left = pace * (steps - trainer.step) / 60
        losses = ", ".join(f"{key} {value}" for key, value in mean.items())
        print(
            f"step {trainer.step} of {steps}: {losses}; {pace:.2f} s a step, {left:.0f} min left",
            flush=True,
        )
        self.recent = []

    def _save(self) -> None:
        with whole_file(self.out / CHECKPOINT) as temporary:
            torch.save(self.trainer.state(), temporary)
        self.saved = time.monotonic()

    def _check(self) -> None:
        """Play a few episodes of each family with the averaged weights, shared by the processes."""
        begin, trainer = time.monotonic(), self.trainer
        if self.first:
            self._save()
            export(self.out, self.out / DRAFT, force=True)
        dist.barrier()
        mine = check_plan(trainer.frames.families, self.settings.check_scenes)[
            trainer.rank :: trainer.ranks
        ]
        results: list[Any] = [None] * trainer.ranks
        dist.all_gather_object(results, play(self.out / DRAFT, mine))
        if self.first:
            success = rates([result for part in results for result in part])
            runlog.append(self.out, {"step": trainer.step, "success": success})
            runlog.draw(self.out)
            print(f"step {trainer.step}: solved {success}", flush=True)
        self.paused += time.monotonic() - begin


def run(settings: Settings) -> None:
    """Train, or go on with a training that was stopped.

    Raises:
        QuantVLAError: a data set is missing or damaged, or the run was started otherwise.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    settings.record()
    prepare(settings)
    with tempfile.TemporaryDirectory() as directory:
        store = str(Path(directory) / "store")
        spawn(train, args=(settings, store, os.getpid()), nprocs=settings.processes)


def main(
    demos: Demos,
    out: Annotated[Path, typer.Option(help="Run directory: checkpoint, log, curves.")],
    steps: Annotated[int, typer.Option(help="Optimizer steps in all.")],
    corrections: Corrections = None,
    init: Annotated[Path | None, typer.Option(help="Run or float bundle to start from.")] = None,
    batch: Annotated[int, typer.Option(help="Observations a step.")] = 64,
    correction_weight: CorrectionWeight = 3.0,
    peak: Annotated[
        float | None,
        typer.Option(help="Scale of the rates. Default: 1, and 0.5 where --init is given."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes that share the batch.")] = 2,
    check_every: Annotated[int, typer.Option(help="Steps between checks; 0: none.")] = 400,
    check_scenes: Annotated[int, typer.Option(help="Scenes a family and check.")] = 4,
    narrow: Annotated[
        bool, typer.Option(help="Half the channels, in a third of the time; --init widens it.")
    ] = False,
    network: Annotated[
        str, typer.Option(help=f"Family of the network: {', '.join(ARCHITECTURES)}.")
    ] = DEFAULT,
) -> None:
    """Train, or go on with a training that was stopped."""
    settings = Settings(
        out=out,
        demos=tuple(demos),
        corrections=tuple(corrections or ()),
        init=init,
        steps=steps,
        batch=batch,
        correction_weight=correction_weight,
        peak=peak or (1.0 if init is None else 0.5),
        seed=seed,
        processes=processes,
        check_every=check_every,
        check_scenes=check_scenes,
        checkpoint_s=CHECKPOINT_S,
        narrow=narrow,
        network=network,
    )
    with told("train"):
        architecture = find_architecture(network)  # before anything is written
        if narrow and not architecture.has_narrow:
            raise QuantVLAError(f"There is no narrow {network}; leave --narrow away.")
        run(settings)


if __name__ == "__main__":
    typer.run(main)
