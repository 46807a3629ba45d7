# SPDX-License-Identifier: Apache-2.0
"""Train the bundled policy by flow matching; by steps, resumable at any moment.

`python -m training.train --demos DIR --out RUN --steps N [--corrections DIR --init RUN]`
A checkpoint is written every two minutes; starting the same command again goes on from it. The
batch is split over processes of one thread each: they wait for each other once a step, where the
threads of one process would wait at every operation.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.distributed as dist
import typer
from torch.multiprocessing.spawn import spawn

from training.dataset import Statistics, load_frames
from training.trainer import Trainer

CHECKPOINT_S = 110.0
LOG_EVERY = 25


def prepare_statistics(out: Path, init: Path | None, demos: Path) -> None:
    """Normalization of the run: of the run it starts from, or measured on its demonstrations."""
    target = out / "statistics.npz"
    out.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    if init is not None:
        target.write_bytes((init / "statistics.npz").read_bytes())
        return
    temporary = out / "statistics.tmp.npz"
    np.savez(temporary, **vars(Statistics.of(load_frames(demos, None, 1.0))))
    os.replace(temporary, target)


def train(
    rank: int,
    ranks: int,
    store: str,
    demos: Path,
    corrections: Path | None,
    out: Path,
    init: Path | None,
    steps: int,
    correction_weight: float,
    seed: int,
) -> None:
    """Body of one training process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=ranks)
    frames = load_frames(demos, corrections, correction_weight)
    with np.load(out / "statistics.npz") as saved:
        Statistics(**dict(saved)).apply(frames)
    trainer = Trainer(frames, steps, seed, rank, ranks)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=False))
    elif init is not None:
        trainer.start_from(torch.load(init / "checkpoint.pt", weights_only=False))
    if rank == 0:
        print(f"{len(frames)} frames, step {trainer.step} of {steps}", flush=True)
    run(trainer, out)
    dist.destroy_process_group()


def save(trainer: Trainer, out: Path) -> None:
    """Write the checkpoint to a temporary file and rename it."""
    temporary = out / "checkpoint.pt.tmp"
    torch.save(trainer.state(), temporary)
    os.replace(temporary, out / "checkpoint.pt")


def run(trainer: Trainer, out: Path) -> None:
    """Step until done; the first process logs progress and writes checkpoints."""
    saved = started = time.monotonic()
    first = trainer.step
    recent: list[dict[str, float]] = []
    while trainer.step < trainer.steps:
        recent.append(trainer.advance())
        if trainer.rank != 0:
            continue
        now = time.monotonic()
        if trainer.step % LOG_EVERY == 0 or trainer.step == trainer.steps:
            mean = {k: round(float(np.mean([r[k] for r in recent])), 4) for k in recent[0]}
            pace = (now - started) / (trainer.step - first)
            line = {"step": trainer.step, **mean, "s_per_step": round(pace, 3)}
            with (out / "log.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            left = pace * (trainer.steps - trainer.step) / 60
            print(f"{line} {left:.0f} min left", flush=True)
            recent = []
        if now - saved > CHECKPOINT_S:
            save(trainer, out)
            saved = now
    if trainer.rank == 0:
        save(trainer, out)


def main(
    demos: Annotated[Path, typer.Option(help="Directory of demonstrations.")],
    out: Annotated[Path, typer.Option(help="Run directory: checkpoint, statistics, log.")],
    steps: Annotated[int, typer.Option(help="Optimizer steps in all.")],
    corrections: Annotated[Path | None, typer.Option(help="Directory of corrections.")] = None,
    init: Annotated[Path | None, typer.Option(help="Run to start from.")] = None,
    correction_weight: Annotated[float, typer.Option(help="Weight of a correction.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes that share the batch.")] = 2,
) -> None:
    """Train, or go on with a training that was stopped."""
    prepare_statistics(out, init, demos)
    with tempfile.TemporaryDirectory() as directory:
        store = str(Path(directory) / "store")
        arguments = (
            processes,
            store,
            demos,
            corrections,
            out,
            init,
            steps,
            correction_weight,
            seed,
        )
        spawn(train, args=arguments, nprocs=processes)


if __name__ == "__main__":
    typer.run(main)
