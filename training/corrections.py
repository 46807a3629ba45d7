# SPDX-License-Identifier: Apache-2.0
"""Corrections: the policy drives, the expert says what it should have done.

The policy drives through the node's control code with a latency of its own in every episode. At
states that it visits, the simulator's state is saved, the expert continues from there for one
chunk, and the state is restored (DAgger, Ross et al. 2011).
`python -m training.corrections --bundle B --out DIR --seeds A:B`
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import typer

from calib_tools.common.failures import told
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError
from training.data.schema import IMAGE_SIZE
from training.recording import Job, families, jobs, record, seed_range

if TYPE_CHECKING:
    from quantvla_ros.backends.base import RunningPolicy
    from simulation.robot import SimulatedRobot

FPS = 2  # labelled states a second of simulation time
EPISODES_A_PART = 10
SWITCH_SHARE = 0.25  # of the episodes get another instruction on the way
LATENCY_S = (0.05, 0.25)  # of an episode; every chunk's differs by up to a quarter from it
MAX_EPISODE_S = 10.0
_SEED_OFFSET = 77_000_000


def correct_episode(
    robot: SimulatedRobot, policy: RunningPolicy, seed: int
) -> tuple[bool, list[dict[str, Any]]]:
    """Let the policy play one episode; returns whether it succeeded, and the labelled states."""
    from calib_tools.evaluate.closed_loop import ClosedLoop
    from training.expert_labels import label_chunk, observed

    rng = np.random.default_rng(_SEED_OFFSET + seed)
    switch_s = rng.uniform(0.4, 2.0) if rng.random() < SWITCH_SHARE else np.inf
    latency = rng.uniform(*LATENCY_S)
    wording = int(rng.integers(len(robot.task.wordings)))
    rows: list[dict[str, Any]] = []

    def before_step(now: float) -> None:
        nonlocal switch_s
        if now >= switch_s:
            switch_s = np.inf
            if robot.first_moved is None:
                others = [goal for goal in robot.task.goals if goal != robot.task.goal]
                loop.change_goal(others[int(rng.integers(len(others)))])
        if now < len(rows) / FPS:
            return
        chunk = label_chunk(robot)
        rows.append(
            {
                **observed(robot),
                "action": chunk[0],
                "chunk": chunk,
                "chunk_valid": np.ones(len(chunk), bool),
                "event": False,
                "disturbed": False,
                "weight": np.float32(1.0),
                "seed": np.int64(seed),
            }
        )

    loop = ClosedLoop(
        robot, policy, lambda: latency * rng.uniform(0.75, 1.25), before_step=before_step
    )
    outcome = loop.play(seed, wording=wording, max_seconds=MAX_EPISODE_S)
    return outcome.success, rows


class Played(NamedTuple):
    """What came of one part."""

    states: int
    solved: int
    episodes: int


def play_part(job: Job) -> Played:
    """Record the episodes of one part."""
    from quantvla_ros.backends.policy import load_policy
    from training.data.parts import write_part
    from training.processes import robot_of

    assert job.bundle is not None
    policy = load_policy(job.bundle, threads=1)
    played = [correct_episode(robot_of(job.family), policy, seed) for seed in job.seeds]
    write_part(job.path, [rows for _, rows in played], job.fps)
    return Played(
        sum(len(rows) for _, rows in played), sum(success for success, _ in played), len(played)
    )


def correct_part(job: Job) -> str:
    """Record the episodes of one part; returns a line about them."""
    begin = time.monotonic()
    part = play_part(job)
    return (
        f"{job.name}: {part.states} states, {part.solved} of {part.episodes} solved, "
        f"{time.monotonic() - begin:.0f} s"
    )


def check_driver(bundle: Path, out: Path) -> None:
    """Note which policy drives, or compare it with the one of the parts that are there.

    Raises:
        QuantVLAError: the bundle is damaged or of another robot, or another policy drove.
    """
    from calib_tools.common.output import write_json
    from calib_tools.evaluate.variants import check_fits_robot
    from quantvla_ros.bundle.storage import bundle_hash, load_manifest

    manifest = load_manifest(bundle, check_files=True)
    check_fits_robot(manifest, bundle)
    size = manifest.interface.cameras[0].height  # all are square and of one size
    if size != IMAGE_SIZE:
        raise QuantVLAError(
            f"The bundle '{bundle}' wants pictures of {size}x{size} and a data set holds "
            f"{IMAGE_SIZE}x{IMAGE_SIZE}; give a bundle that was trained here."
        )
    note, mine = out / "driver.json", bundle_hash(bundle)
    if not note.exists():
        write_json(note, {"bundle": mine})
    elif json.loads(note.read_text(encoding="utf-8"))["bundle"] != mine:
        raise QuantVLAError(
            f"The corrections in {out} are of another policy than {bundle}; take another directory."
        )


def main(
    bundle: Annotated[Path, typer.Option(help="Float bundle of the policy that drives.")],
    out: Annotated[Path, typer.Option(help="Directory of the data set.")],
    seeds: Annotated[str, typer.Option(help="First and last seed, FIRST:LAST (exclusive).")],
    tasks: Annotated[str, typer.Option(help="Task families, separated by commas.")] = "all",
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
) -> None:
    """Collect corrections; start the same command again to go on, with more seeds to add some."""
    with told("corrections"):
        planned = jobs(out, families(tasks), seed_range(seeds), EPISODES_A_PART, FPS, bundle)
        check_writable(out / "part")
        check_driver(bundle, out)
        record(correct_part, planned, processes)


if __name__ == "__main__":
    typer.run(main)
