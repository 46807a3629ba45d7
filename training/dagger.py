# SPDX-License-Identifier: Apache-2.0
"""Train on a GPU while the CPU cores record new scenes and have the newest policy corrected.

`python -m training.dagger --init BUNDLE --demos DIR --out RUN --minutes M`
A GPU takes a step in the time that two CPU cores take for a hundredth of one. It knows thousands of
scenes by heart in minutes, and the policy's own states of some hundred steps ago are old. So half
of the processes' work is demonstrations of scenes that nobody has seen; in the other half they play
the policy, a bundle of the averaged weights of the last half minute, and have it corrected
(`training.corrections`). What they bring is trained on from then on.
The run is measured in minutes, since GPUs are rented by them; starting the same command again goes
on from its last checkpoint, with the frames that are there.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from typing import Annotated

import torch
import typer

from calib_tools.common.cores import usable_cores
from calib_tools.common.failures import told
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from training import runlog
from training.architectures import mini_pi05
from training.camera_statistics import add_statistics
from training.corrections import FPS, Played, play_part
from training.data.parts import PARTS, waiting_parts
from training.dataset import Frames, joined, load_frames, part_frames
from training.demonstrations import record_part
from training.export import save_policy
from training.processes import worker_pool
from training.recording import Job, families
from training.settings import Corrections, CorrectionWeight, Demos
from training.starting_point import CHECKPOINT, STATISTICS, StartingPoint, starting_point
from training.trainer import Trainer

EPISODES_A_PART = 3
SCENES_A_PART = 25  # of demonstrations; takes about as long as the corrections of a part
SCENE_FPS = 2
POLICY_EVERY_S = 30.0
LEARN_EVERY_S = 10.0
RECENT_PARTS = 60


@dataclass(frozen=True)
class Plan:
    """What a run is made of, as the options of `main` say it."""

    out: Path
    init: Path
    minutes: float
    batch: int
    correction_weight: float
    first_seed: int
    processes: int
    peak: float
    seed: int

    @property
    def corrections(self) -> Path:
        """Data set of the corrections."""
        return self.out / "corrections"

    @property
    def demonstrations(self) -> Path:
        """Data set of the demonstrations of new scenes."""
        return self.out / "demonstrations"

    def jobs(self) -> Iterator[Job]:
        """What the processes are to do, without end; corrections want the policy named."""
        start, names = self.first_seed, families("all")
        kinds = (
            (self.demonstrations, SCENES_A_PART, SCENE_FPS),
            (self.corrections, EPISODES_A_PART, FPS),
        )
        while True:
            for family, (out, count, fps) in product(names, kinds):
                seeds = range(start, start + count)
                start = seeds.stop
                yield Job(out, family, seeds, fps)


class Players:
    """Processes that record new scenes and play the newest policy, a few episodes at a time."""

    def __init__(self, pool: Pool, plan: Plan) -> None:
        self._pool, self._plan = pool, plan
        self._jobs = plan.jobs()
        self._running: list[tuple[Job, AsyncResult[Played | str]]] = []
        self.recent: deque[Played] = deque(maxlen=RECENT_PARTS)
        self.waiting = [*waiting_parts(plan.demonstrations), *waiting_parts(plan.corrections)]
        """Parts that nothing was learned from so far."""

    def keep_busy(self, policy: Path) -> None:
        """Take what is done, and give each process that is free the next episodes."""
        for job, result in list(self._running):
            if result.ready():
                self._running.remove((job, result))
                self.waiting.append(job.path)
                played = result.get()
                if isinstance(played, Played):
                    self.recent.append(played)
        while len(self._running) < self._plan.processes:
            self._begin(next(self._jobs), policy)

    def _begin(self, job: Job, policy: Path) -> None:
        if job.path.exists():
            return
        if job.out == self._plan.corrections:
            job = replace(job, bundle=policy)
            result: AsyncResult[Played | str] = self._pool.apply_async(play_part, (job,))
        else:
            result = self._pool.apply_async(record_part, (job,))
        self._running.append((job, result))

    @property
    def policies(self) -> set[Path]:
        """Those that are being played."""
        return {job.bundle for job, _ in self._running if job.bundle is not None}

    @property
    def solved(self) -> float:
        """Share of the last episodes that the policy solved by itself."""
        return sum(p.solved for p in self.recent) / max(1, sum(p.episodes for p in self.recent))


class Run:
    """Steps until the time is over."""

    def __init__(self, plan: Plan, frames: Frames, start: StartingPoint) -> None:
        """Begin at the checkpoint, or at `start`."""
        self.plan, self.statistics = plan, start.statistics
        self.trainer = Trainer(
            mini_pi05.ARCHITECTURE, frames, plan.batch, plan.seed, peak=plan.peak
        )
        self.spent = 0.0
        checkpoint = plan.out / CHECKPOINT
        if checkpoint.exists():
            state = torch.load(checkpoint, map_location=self.trainer.device, weights_only=False)
            self.trainer.restore(state)
            self.spent = state["seconds"]
            runlog.rewind(plan.out, self.trainer.step)
        else:
            self.trainer.start_from(start)

    def go(self) -> None:
        """Train, have the policy corrected, and leave it as a bundle in `policy`."""
        plan, trainer = self.plan, self.trainer
        before, begun = self.spent, time.monotonic()
        kept, learned = begun, begun
        recent: list[dict[str, torch.Tensor]] = []
        with worker_pool(plan.processes) as pool:
            players = Players(pool, plan)
            policy = self._keep(players)
            while self.spent < 60.0 * plan.minutes:
                players.keep_busy(policy)
                recent.append(trainer.advance(self.spent / 60.0 / plan.minutes))
                now = time.monotonic()
                self.spent = before + now - begun
                if now - learned > LEARN_EVERY_S:
                    self._learn(players)
                    self._log(recent, players)
                    learned, recent = now, []
                if now - kept > POLICY_EVERY_S:
                    policy, kept = self._keep(players), now
            self._keep(players)
            self._save(plan.out / "policy")
            add_statistics(plan.out / "policy")
            runlog.draw(plan.out)

    def _save(self, path: Path) -> None:
        trainer = self.trainer
        architecture, config = trainer.architecture, trainer.config
        save_policy(path, architecture, config, trainer.average, self.statistics, force=True)

    def _learn(self, players: Players) -> None:
        corrections, weight = self.plan.corrections / PARTS, self.plan.correction_weight
        new = [
            part_frames(path, weight if path.parent == corrections else 1.0)
            for path in players.waiting
        ]
        players.waiting.clear()
        if new:
            for frames in new:
                self.statistics.apply(frames)
            self.trainer.learn_from(joined([self.trainer.frames, *new], self.trainer.device))

    def _log(self, recent: list[dict[str, torch.Tensor]], players: Players) -> None:
        trainer, mean = self.trainer, runlog.means(recent)
        line = {"step": trainer.step, **mean, "frames": len(trainer.frames)}
        runlog.append(self.plan.out, {**line, "played": round(players.solved, 3)})
        print(
            f"step {trainer.step}, {self.spent / 60:.1f} of {self.plan.minutes:g} min: "
            + ", ".join(f"{key} {value}" for key, value in mean.items())
            + f"; {len(trainer.frames)} frames, {100 * players.solved:.0f} % of the last solved",
            flush=True,
        )

    def _keep(self, players: Players) -> Path:
        """Write a checkpoint, and the averaged weights as the bundle to play."""
        with whole_file(self.plan.out / CHECKPOINT) as temporary:
            torch.save({**self.trainer.state(), "seconds": self.spent}, temporary)
        policies = self.plan.out / "policies"
        path = policies / f"{self.trainer.step:07d}"
        self._save(path)
        for old in set(policies.iterdir()) - players.policies - {path}:
            shutil.rmtree(old)
        return path


def run(plan: Plan, frames: Frames, device: torch.device) -> None:
    """Train on frames that are not normalized yet.

    Raises:
        QuantVLAError: the run cannot start from `plan.init`, or a correction failed.
    """
    torch.set_float32_matmul_precision("high")
    plan.out.mkdir(parents=True, exist_ok=True)
    start = starting_point(plan.init, mini_pi05.ARCHITECTURE)
    start.statistics.save(plan.out / STATISTICS)
    start.statistics.apply(frames)
    Run(plan, joined([frames], device), start).go()


def main(
    init: Annotated[Path, typer.Option(help="Run or float bundle to start from.")],
    demos: Demos,
    out: Annotated[Path, typer.Option(help="Run directory: checkpoint, log, curves, policy.")],
    minutes: Annotated[float, typer.Option(help="Minutes of training in all.")],
    corrections: Corrections = None,
    batch: Annotated[int, typer.Option(help="Observations a step.")] = 1024,
    correction_weight: CorrectionWeight = 1.5,
    first_seed: Annotated[int, typer.Option(help="First seed of the new scenes.")] = 100_000,
    processes: Annotated[
        int | None, typer.Option(help="Processes that play; all cores but one by default.")
    ] = None,
    peak: Annotated[float, typer.Option(help="Scale of the rates.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the training's draws.")] = 0,
    device: Annotated[str, typer.Option(help="Where to train.")] = "cuda",
) -> None:
    """Train, or go on with a training that was stopped."""
    plan = Plan(
        out=out,
        init=init,
        minutes=minutes,
        batch=batch,
        correction_weight=correction_weight,
        first_seed=first_seed,
        processes=processes or max(1, usable_cores() - 1),
        peak=peak,
        seed=seed,
    )
    with told("dagger"):
        if device == "cuda" and not torch.cuda.is_available():
            raise QuantVLAError(
                "There is no GPU here; `make policy` trains on two CPU cores, in four hours."
            )
        check_writable(out / "log")
        frames = load_frames(demos, corrections or (), correction_weight)
        run(plan, frames, torch.device(device))


if __name__ == "__main__":
    typer.run(main)
