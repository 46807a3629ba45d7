# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: the scripted expert drives, is disturbed, and is always labelled cleanly.

`python -m training.demonstrations --out DIR --seeds A:B` records every task family; only episodes
that end in success are kept. docs/reference/dataset.md describes the columns.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from quantvla_ros.errors import QuantVLAError
from training.recording import Job, families, jobs, record, seed_range

if TYPE_CHECKING:
    from quantvla_ros.sim.robot import SimulatedRobot

FPS = 10
EPISODES_A_PART = 25
MAX_TICKS = 120
_SEED_OFFSET = 10_000_000

_robots: dict[str, SimulatedRobot] = {}  # loading a scene takes a second


def record_episode(robot: SimulatedRobot, seed: int) -> tuple[bool, list[dict[str, Any]]]:
    """Run one disturbed episode; returns whether it ended in success, and its frames."""
    from quantvla_ros.sim.expert import execute
    from training.chunks import episode_chunks
    from training.disturbance import Disturbance, start
    from training.expert_labels import frame_weight, observed

    rng = np.random.default_rng(_SEED_OFFSET + seed)
    start(robot, seed, rng)
    disturbance = Disturbance(rng)
    expert = robot.task.expert(robot)
    rows: list[dict[str, Any]] = []
    for tick in range(MAX_TICKS):
        event = disturbance.begin_tick(tick, robot, expert)
        action = expert.act()
        rows.append(
            {
                **observed(robot),
                "action": action.label(),
                "event": event,
                "disturbed": disturbance.active,
                "weight": frame_weight(robot, action, expert.phase),
                "seed": np.int64(seed),
            }
        )
        execute(robot, disturbance.apply(action, robot, expert.floor))
        if expert.done:
            break
    chunks, valid = episode_chunks(
        np.stack([row["action"] for row in rows]), np.array([row["event"] for row in rows])
    )
    frames = [
        {**row, "chunk": chunk, "chunk_valid": whole}
        for row, chunk, whole in zip(rows, chunks, valid, strict=True)
    ]
    return expert.done and robot.success(), frames


def record_part(job: Job) -> str:
    """Record the episodes of one part; returns a line about them."""
    from quantvla_ros.sim.robot import SimulatedRobot
    from training.data.parts import write_part

    begin = time.monotonic()
    if job.family not in _robots:
        _robots[job.family] = SimulatedRobot(job.family)
    episodes = []
    for seed in job.seeds:
        succeeded, rows = record_episode(_robots[job.family], seed)
        if succeeded:
            episodes.append(rows)
    write_part(job.path, episodes, FPS)
    return (
        f"{job.name}: {len(episodes)} of {len(job.seeds)} episodes, "
        f"{sum(map(len, episodes))} frames, {time.monotonic() - begin:.0f} s"
    )


def main(
    out: Annotated[Path, typer.Option(help="Directory of the data set.")],
    seeds: Annotated[str, typer.Option(help="First and last seed, FIRST:LAST (exclusive).")],
    tasks: Annotated[str, typer.Option(help="Task families, separated by commas.")] = "all",
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
) -> None:
    """Record demonstrations; start the same command again to go on, with more seeds to add some."""
    try:
        planned = jobs(out, families(tasks), seed_range(seeds), EPISODES_A_PART)
        record(record_part, planned, processes, FPS)
    except QuantVLAError as error:
        raise SystemExit(f"demonstrations: {error}") from error


if __name__ == "__main__":
    typer.run(main)
