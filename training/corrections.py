# SPDX-License-Identifier: Apache-2.0
"""Corrections: the policy drives, the expert says what it should have done.

The policy drives through the node's control code with a latency of its own in every episode. At
states that it visits, the simulator's state is saved, the expert continues from there for one
chunk, and the state is restored (DAgger, Ross et al. 2011).
`python -m training.corrections --bundle B --out DIR --seeds A:B --processes 2`
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

EVERY_S = 0.4  # between two labelled states
EPISODES_A_FILE = 20
SWITCH_SHARE = 0.25  # of the episodes get another instruction on the way
LATENCY_S = (0.05, 0.25)  # of an episode; every chunk's differs by up to a quarter from it
MAX_EPISODE_S = 10.0


def collect(bundle: Path, seeds: range, out: Path) -> None:
    """Label the states of the episodes `seeds` and write one chunk file."""
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.sim.robot import SimulatedRobot

    file = out / f"corrections_{seeds.start:07d}.npz"
    if file.exists():
        return
    policy = load_policy(bundle, backend="cpu", compiled=False, threads=1)
    robot = SimulatedRobot("pick_place")
    rows: dict[str, list[Any]] = {
        k: [] for k in ("images", "joints", "tip", "chunk", "target", "positions", "uv")
    }
    successes = 0
    for seed in seeds:
        successes += _episode(robot, policy, seed, rows)
    robot.close()
    arrays: dict[str, Any] = {key: np.stack(value) for key, value in rows.items()}
    temporary = file.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    os.replace(temporary, file)
    print(
        f"{file.name}: {len(rows['chunk'])} states, {successes} of {len(seeds)} succeeded",
        flush=True,
    )


def _episode(robot: Any, policy: Any, seed: int, rows: dict[str, list[Any]]) -> bool:
    from calib_tools.evaluation.closed_loop import ClosedLoop
    from training.expert_labels import label_chunk, scene_labels

    rng = np.random.default_rng(77_000_000 + seed)
    switch_s = rng.uniform(0.4, 2.0) if rng.random() < SWITCH_SHARE else np.inf
    latency = rng.uniform(*LATENCY_S)
    next_label_s = 0.0

    def before_step(now: float) -> None:
        nonlocal switch_s, next_label_s
        if now >= switch_s:
            switch_s = np.inf
            if robot.first_lifted is None:
                others = [name for name in robot.task.present if name != robot.task.target]
                loop.change_target(others[int(rng.integers(len(others)))])
        if now < next_label_s:
            return
        next_label_s = now + EVERY_S
        images = robot.render()
        labels = scene_labels(robot, robot.task)
        rows["images"].append(np.stack([images["front"], images["wrist"]]))
        for key in ("joints", "tip", "target", "positions", "uv"):
            rows[key].append(labels[key])
        rows["chunk"].append(label_chunk(robot, robot.task))

    loop = ClosedLoop(
        robot, policy, lambda: latency * rng.uniform(0.75, 1.25), before_step=before_step
    )
    return loop.play(seed, max_seconds=MAX_EPISODE_S).success


def main(
    bundle: Annotated[Path, typer.Option(help="Float bundle of the policy that drives.")],
    out: Annotated[Path, typer.Option(help="Directory of the chunk files.")],
    seeds: Annotated[str, typer.Option(help="First and last seed, FIRST:LAST (exclusive).")],
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
) -> None:
    """Collect corrections; files that exist are kept, so the command resumes."""
    first, last = (int(part) for part in seeds.split(":"))
    out.mkdir(parents=True, exist_ok=True)
    blocks = [
        range(start, min(start + EPISODES_A_FILE, last))
        for start in range(first, last, EPISODES_A_FILE)
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=4) as pool:
        pool.starmap(collect, [(bundle, block, out) for block in blocks], chunksize=1)


if __name__ == "__main__":
    typer.run(main)
