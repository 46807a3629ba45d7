# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: the scripted expert drives, is disturbed, and is always labelled cleanly.

`python -m training.demonstrations --out DIR --seeds A:B` records every task family; only episodes
that end in success are kept. Neighbouring frames are much alike: `--fps 2` takes a third of the
time for the same scenes. docs/reference/dataset.md describes the columns.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from calib_tools.common.failures import told
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError
from training.recording import Job, families, jobs, record, seed_range

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot

FPS = 10
EPISODES_A_PART = 25
MAX_TICKS = 120
_SEED_OFFSET = 10_000_000


def record_episode(
    robot: SimulatedRobot, seed: int, every: int = 1
) -> tuple[bool, list[dict[str, Any]]]:
    """Run one disturbed episode; returns whether it ended in success, and each n-th frame."""
    from simulation.expert import execute
    from training.disturbance import Disturbance, start
    from training.expert_labels import episode_chunks, frame_weight, observed

    rng = np.random.default_rng(_SEED_OFFSET + seed)
    start(robot, seed, rng)
    disturbance = Disturbance(rng)
    expert = robot.task.expert(robot)
    kept: dict[int, dict[str, Any]] = {}
    labels, events = [], []
    for tick in range(MAX_TICKS):
        event = disturbance.begin_tick(tick, robot, expert)
        action = expert.act()
        labels.append(action.label())
        events.append(event)
        if (tick + seed) % every == 0:
            kept[tick] = {
                **observed(robot),
                "action": labels[-1],
                "event": event,
                "disturbed": disturbance.active,
                "weight": frame_weight(robot, action, expert.phase),
                "seed": np.int64(seed),
            }
        execute(robot, disturbance.apply(action, robot, expert.floor))
        if expert.done:
            break
    chunks, valid = episode_chunks(np.stack(labels), np.array(events))
    frames = [
        {**row, "chunk": chunks[tick], "chunk_valid": valid[tick]} for tick, row in kept.items()
    ]
    return expert.done and robot.success(), frames


def record_part(job: Job) -> str:
    """Record the episodes of one part; returns a line about them."""
    from training.data.parts import write_part
    from training.processes import robot_of

    begin = time.monotonic()
    episodes = []
    for seed in job.seeds:
        succeeded, rows = record_episode(robot_of(job.family), seed, FPS // job.fps)
        if succeeded and rows:
            episodes.append(rows)
    write_part(job.path, episodes, job.fps)
    return (
        f"{job.name}: {len(episodes)} of {len(job.seeds)} episodes, "
        f"{sum(map(len, episodes))} frames, {time.monotonic() - begin:.0f} s"
    )


def main(
    out: Annotated[Path, typer.Option(help="Directory of the data set.")],
    seeds: Annotated[str, typer.Option(help="First and last seed, FIRST:LAST (exclusive).")],
    tasks: Annotated[str, typer.Option(help="Task families, separated by commas.")] = "all",
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
    fps: Annotated[int, typer.Option(help="Frames a second that are kept: 10, 5, 2 or 1.")] = FPS,
) -> None:
    """Record demonstrations; start the same command again to go on, with more seeds to add some."""
    with told("demonstrations"):
        if fps < 1 or FPS % fps:
            raise QuantVLAError(
                f"{fps} frames a second cannot be kept of {FPS}; take 10, 5, 2 or 1."
            )
        check_writable(out / "part")
        record(
            record_part,
            jobs(out, families(tasks), seed_range(seeds), EPISODES_A_PART, fps),
            processes,
        )


if __name__ == "__main__":
    typer.run(main)
